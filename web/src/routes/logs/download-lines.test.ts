import { expect, it, vi } from 'vitest';
import type { ListedLogLine } from '../../api/types';
import { collectJsonLines } from './download-lines';

const line = (id: number): ListedLogLine => ({
  log_id: String(id),
  trace_id: null,
  span_id: null,
  time: '2026-11-30T12:00:00.000000Z',
  level: null,
  body: `first\nsecond ${id}`,
  attributes: {},
  issue_id: null,
});

/** A server with so many lines, three to a page. */
const server = (total: number) =>
  vi.fn(async (cursor: string | undefined) => {
    const start = Number(cursor ?? 0);
    const logs = Array.from({ length: Math.min(3, total - start) }, (_, at) => line(start + at));
    return { logs, next_cursor: start + 3 < total ? String(start + 3) : null };
  });

it('writes each line of all pages as one line of JSON', async () => {
  const progress = vi.fn();
  const { parts, count, isComplete } = await collectJsonLines(server(7), 100, progress);
  const written = parts.join('').split('\n');
  expect(written.pop()).toBe('');
  expect(written.map((text) => (JSON.parse(text) as ListedLogLine).log_id)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
  expect([count, isComplete]).toEqual([7, true]);
  expect(progress.mock.calls.flat()).toEqual([3, 6, 7]);
});

it('stops at the limit and reports it', async () => {
  const ask = server(1000);
  const { parts, count, isComplete } = await collectJsonLines(ask, 5, () => undefined);
  expect(parts.join('').trim().split('\n').length).toBe(5);
  expect([count, isComplete, ask.mock.calls.length]).toEqual([5, false, 2]);
});

it('writes an empty file if nothing matches', async () => {
  const { parts, isComplete } = await collectJsonLines(server(0), 5, () => undefined);
  expect([parts.join(''), isComplete]).toEqual(['', true]);
});
