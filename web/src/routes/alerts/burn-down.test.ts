import { describe, expect, it } from 'vitest';
import type { BudgetState } from '../../api/types';
import { burnDown, spreadLabels } from './burn-down';

const state = (patch: Partial<BudgetState>): BudgetState => ({
  period_start: '2026-11-23T00:00:00Z',
  period_end: '2026-11-24T00:00:00Z',
  spent: 20,
  estimated: null,
  left: 30,
  used_up: false,
  forecast: null,
  groups: null,
  ...patch,
});
const noon = Date.parse('2026-11-23T12:00:00Z');

describe('what is left of a budget', () => {
  it('falls from the amount to what is left according to the server', () => {
    const points: [string, number | null][] = [
      ['2026-11-23T00:00:00Z', 5],
      ['2026-11-23T06:00:00Z', null],
      ['2026-11-23T12:00:00Z', 1],
    ];
    const { course, expected, bottom } = burnDown(50, state({}), points, noon);
    expect(course).toEqual([
      [0, 50],
      [0.25, 45],
      [0.5, 30],
    ]);
    expect([expected, bottom]).toEqual([[], 0]);
  });

  it('continues to the bounds of the forecast, below zero if it is exhausted', () => {
    const forecast = {
      method: 'daily' as const,
      samples: 5,
      expected: 55,
      low: 45,
      high: 60,
      projected: 70,
      usual_by_now: 18,
      runs_out_at: null,
      runs_out_earliest_at: null,
    };
    const burn = burnDown(50, state({ forecast }), [], noon);
    expect([burn.low.at(-1), burn.expected.at(-1), burn.high.at(-1)]).toEqual([
      [1, 5],
      [1, -5],
      [1, -20],
    ]);
    expect(burn.bottom).toBeLessThan(-20);
  });
});

describe('labels', () => {
  it('are placed at their values if there is room', () => expect(spreadLabels([10, 50, 90], 12)).toEqual([10, 50, 90]));
  it('do not overlap, keep their order and stay within the chart', () => {
    const placed = spreadLabels([99, 97, 40, 98], 12);
    expect(placed[2]).toBe(40);
    const sorted = placed.toSorted((a, b) => a - b);
    for (let at = 1; at < sorted.length; at += 1) expect(sorted[at]! - sorted[at - 1]!).toBeGreaterThanOrEqual(12);
    expect(sorted.at(-1)).toBeLessThanOrEqual(100);
    expect(placed[1]).toBeLessThan(placed[3]!);
    expect(placed[3]).toBeLessThan(placed[0]!);
  });
});

it('shows a future of several times the amount down to its end', () => {
  const forecast = {
    method: 'linear' as const,
    samples: 0,
    expected: 150,
    low: 100,
    high: 200,
    projected: 190,
    usual_by_now: null,
    runs_out_at: null,
    runs_out_earliest_at: null,
  };
  const burn = burnDown(50, state({ forecast }), [], noon);
  expect(burn.bottom).toBeLessThan(burn.high.at(-1)![1]);
});
