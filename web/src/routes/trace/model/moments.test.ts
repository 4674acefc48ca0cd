import { expect, it } from 'vitest';
import type { ErrorEvent, LogLine } from '../../../api/types';
import { momentsOf } from './moments';

const time = (second: number) => `2026-11-30T12:00:0${second}.000000Z`;
const error = (id: string, second: number) => ({ event_id: id, time: time(second) }) as ErrorEvent;
const line = (body: string, second: number): LogLine => ({ log_id: body, trace_id: null, span_id: null, time: time(second), level: null, body, attributes: {} });

it('lists errors and log lines in order of time, a line before an error of the same time', () => {
  const moments = momentsOf([error('late', 5), error('same', 3)], [line('first', 1), line('with the error', 3)]);
  expect(moments.map((moment) => (moment.kind === 'error' ? moment.error.event_id : moment.line.body))).toEqual([
    'first',
    'with the error',
    'same',
    'late',
  ]);
});
