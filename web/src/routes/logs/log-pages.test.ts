import { describe, expect, it } from 'vitest';
import type { ListedLogLine, LogLinePage } from '../../api/types';
import { emptyPagesAtEnd, insertLines, leavesGap, linesOf, lineText, mergeNewestFirst, tailStart, unknownLines } from './log-pages';

/** A line whose ID is its second of the minute, or `SECOND-NAME`. */
const line = (id: string): ListedLogLine => ({
  log_id: id,
  trace_id: null,
  span_id: null,
  time: `2026-11-30T12:00:${id.split('-')[0]!.padStart(2, '0')}.000000Z`,
  level: 'info',
  body: id,
  attributes: {},
  issue_id: null,
});
const lines = (...ids: string[]) => ids.map(line);
const page = (next: string | null, ...ids: string[]): LogLinePage => ({ logs: lines(...ids), next_cursor: next });
const ids = (list: ListedLogLine[]) => list.map(({ log_id: id }) => id);

describe('pages of log lines', () => {
  it('list a line once that moved to the next page', () =>
    expect(ids(linesOf([page('c', '9', '8'), page(null, '8', '7')]))).toEqual(['9', '8', '7']));

  it('count those at the end in which nothing matches', () => {
    expect(emptyPagesAtEnd([page('a'), page('b', '3'), page('c'), page('d')])).toBe(2);
    expect(emptyPagesAtEnd([page('a'), page('b')])).toBe(2);
    expect(emptyPagesAtEnd([page('a', '3')])).toBe(0);
  });

  it('take in new lines at the top, and late ones in their places', () => {
    const pages = insertLines([page('c', '30', '20'), page('d', '15', '10')], lines('31', '25', '12'));
    expect(pages.map(({ logs }) => ids(logs))).toEqual([
      ['31', '30', '25', '20'],
      ['15', '12', '10'],
    ]);
  });

  it('leave a line to the next page that is older than all of them', () => {
    expect(ids(linesOf(insertLines([page('c', '30', '20')], lines('31', '5'))))).toEqual(['31', '30', '20']);
    expect(ids(linesOf(insertLines([page(null, '30', '20')], lines('31', '5'))))).toEqual(['31', '30', '20', '5']);
  });

  it('take in the first lines of an empty list', () =>
    expect(ids(linesOf(insertLines([page(null)], lines('3', '2'))))).toEqual(['3', '2']));

  it('keep pages as they are that get no line', () => {
    const pages = [page('c', '30', '20'), page(null, '15')];
    expect(insertLines(pages, lines('31'))[1]).toBe(pages[1]);
  });
});

describe('the live tail', () => {
  it('asks from a little before the newest line, whatever the order', () => {
    expect(tailStart(lines('20', '42', '3'))).toBe('2026-11-30T12:00:32.000Z');
    expect(tailStart([])).toBeNull();
  });

  it('drops lines that are known', () => expect(ids(unknownLines(lines('3', '2', '1'), lines('2', '1')))).toEqual(['3']));

  it('has a gap if a full answer reaches no known line', () => {
    expect(leavesGap(page('more', '9', '8'), lines('2'))).toBe(true);
    expect(leavesGap(page('more', '9', '2'), lines('2'))).toBe(false);
    expect(leavesGap(page(null, '9', '8'), lines('2'))).toBe(false);
    expect(leavesGap(page('more', '9', '8'), [])).toBe(false);
  });

  it('puts what is new before what has the same time', () =>
    expect(ids(mergeNewestFirst(lines('5', '4'), lines('5-new', '4-new')))).toEqual(['5-new', '5', '4-new', '4']));

  it('orders lines within a millisecond', () => {
    const early = { ...line('1'), log_id: 'early', time: '2026-11-30T12:00:01.000100Z' };
    const late = { ...line('1'), log_id: 'late', time: '2026-11-30T12:00:01.000900Z' };
    expect(ids(mergeNewestFirst([early], [late]))).toEqual(['late', 'early']);
    expect(ids(mergeNewestFirst([late], [early]))).toEqual(['late', 'early']);
  });
});

it('writes a line as text', () => {
  expect(lineText({ ...line('1'), level: 'warn', body: 'slow' })).toBe('2026-11-30T12:00:01.000000Z WARN slow');
  expect(lineText({ ...line('1'), level: null, body: 'slow' })).toBe('2026-11-30T12:00:01.000000Z slow');
});
