import { describe, expect, it } from 'vitest';
import { depthOf, niceScale, signedScale, ticks, zoneOffset } from './scale';

describe('signedScale', () => {
  it('is the usual scale without negative values', () => expect(signedScale(0, 7)).toEqual(niceScale(7, 2)));

  it.each([
    [-1, 0.8, [-1, -0.5, 0, 0.5]],
    [-0.3, 2, [0, 1, 2]],
    [-40, -10, [-40, -20, 0]],
  ])('from %d to %d', (min, max, lines) => {
    const scale = signedScale(min, max);
    expect(scale.lines).toEqual(lines);
    for (const value of [min, max, ...lines]) {
      expect(depthOf(value, scale)).toBeGreaterThanOrEqual(0);
      expect(depthOf(value, scale)).toBeLessThanOrEqual(100);
    }
  });
});

describe('niceScale', () => {
  it.each([
    [2.93, [0, 1, 2, 3]],
    [8.4, [0, 5, 10]],
    [260, [0, 100, 200, 300]],
    [0.00034, [0, 0.0002, 0.0004]],
    [1, [0, 0.5, 1]],
    [3, [0, 1, 2, 3]],
  ])('up to %d', (max, lines) => expect(niceScale(max).lines).toEqual(lines));
  it('has only whole numbers for counts', () => {
    expect(niceScale(1, 3, true).lines).toEqual([0, 1]);
    expect(niceScale(2, 3, true).lines).toEqual([0, 1, 2]);
  });
  it('always has room for the largest value', () => {
    for (let max = 0.0001; max < 1e9; max *= 1.7) {
      const { top, lines } = niceScale(max);
      expect(top).toBeGreaterThan(max);
      expect(lines.length).toBeLessThanOrEqual(4);
    }
  });
  it('draws only the baseline without values', () => expect(niceScale(0)).toEqual({ top: 1, bottom: 0, lines: [0] }));
});

describe('ticks', () => {
  const halfHours = Array.from({ length: 48 }, (_, at) => Date.parse('2026-11-22T09:00:00Z') + at * 1_800_000);
  it('are at round hours of the time zone', () => {
    expect(ticks(halfHours, 1_800_000, 5, 9 * 3_600_000)).toEqual([0, 12, 24, 36]);
    expect(ticks(halfHours, 1_800_000, 5, 0)).toEqual([6, 18, 30, 42]);
  });
  it('are none without buckets', () => expect(ticks([], 60_000, 5, 0)).toEqual([]));
});

it('knows how far a zone is from UTC', () => {
  expect(zoneOffset('Asia/Tokyo', Date.parse('2026-11-23T00:00:00Z'))).toBe(9 * 3_600_000);
  expect(zoneOffset('UTC', 1)).toBe(0);
});
