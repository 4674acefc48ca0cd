import { expect, it } from 'vitest';
import type { LogLine } from '../../api/types';
import { linesBySpan, isSevere } from './use-logs';

const line = (span_id: string | null, level: string | null): LogLine => ({
  log_id: '1',
  trace_id: 't',
  span_id,
  level,
  time: '',
  body: '',
  attributes: {},
});

it('puts log lines with their spans, and omits those of the whole trace', () => {
  const found = linesBySpan([line('a', 'info'), line(null, 'info'), line('b', 'warn'), line('a', null)]);
  expect([...found].map(([span, lines]) => [span, lines.length])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

it('knows which lines need attention', () =>
  expect(['info', 'warn', 'error', 'fatal', null].map((level) => isSevere(line(null, level)))).toEqual([false, true, true, true, false]));
