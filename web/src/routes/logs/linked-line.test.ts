import { describe, expect, it } from 'vitest';
import type { ListedLogLine } from '../../api/types';
import { mayFollow, rangeOfSurroundings } from './linked-line';
import { NEWEST_FIRST } from './log-pages';

const lines = (...minutes: number[]) => minutes.map((minute) => ({ time: `2026-11-30T12:${minute}:00.000000Z` }) as ListedLogLine);
const at = (minute: number) => `2026-11-30T12:${minute}:00.000000Z`;

describe('a linked line', () => {
  it('may be on the next page only if that reaches its time', () => {
    expect(mayFollow(lines(50, 40), at(30), NEWEST_FIRST)).toBe(true);
    expect(mayFollow(lines(50, 40), at(40), NEWEST_FIRST)).toBe(true);
    expect(mayFollow(lines(50, 40), at(45), NEWEST_FIRST)).toBe(false);
    expect(mayFollow(lines(40, 50), at(55), 'time')).toBe(true);
    expect(mayFollow(lines(40, 50), at(45), 'time')).toBe(false);
    expect(mayFollow([], at(45), NEWEST_FIRST)).toBe(false);
  });

  it('is not searched through any number of pages', () =>
    expect(mayFollow(lines(...Array.from({ length: 1000 }, () => 50)), at(30), NEWEST_FIRST)).toBe(false));

  it('has surroundings of ten minutes, or fewer if many lines follow', () => {
    const from = '2026-11-30T12:25:00.000Z';
    expect(rangeOfSurroundings(at(30))).toEqual({ last: undefined, from, to: '2026-11-30T12:35:00.000Z' });
    expect(rangeOfSurroundings(at(30), lines(30, 31))).toEqual({ last: undefined, from, to: '2026-11-30T12:35:00.000Z' });
    const many = lines(30, ...Array.from({ length: 49 }, () => 31));
    expect(rangeOfSurroundings(at(30), many)).toEqual({ last: undefined, from, to: '2026-11-30T12:31:00.001Z' });
  });
});
