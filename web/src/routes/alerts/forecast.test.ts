import { describe, expect, it } from 'vitest';
import { burnDown } from './burn-down';
import { forecastOf } from './forecast';

const late = { method: 'linear' as const, samples: 0, expected: 2, low: 1, high: 3, projected: 40, usual_by_now: null, runs_out_at: null, runs_out_earliest_at: null };

describe('the forecast of a budget', () => {
  it('never ends below the current spend', () => {
    expect(forecastOf({ spent: 20, forecast: late })).toMatchObject({ expected: 20, low: 20, high: 20, projected: 40 });
    expect(forecastOf({ spent: 20, forecast: null })).toBe(null);
  });

  it('lets no line of the chart rise', () => {
    const state = { period_start: '2026-11-23T00:00:00Z', period_end: '2026-11-24T00:00:00Z', spent: 20, estimated: null, left: 30, used_up: false, forecast: late, groups: null };
    const points: [string, number | null][] = [
      ['2026-11-23T00:00:00Z', 25],
      ['2026-11-23T06:00:00Z', 1],
    ];
    const burn = burnDown(50, state, points, Date.parse('2026-11-23T12:00:00Z'));
    for (const line of [burn.course, burn.expected, burn.low, burn.high]) {
      expect(line.map(([, left]) => left)).toEqual(line.map(([, left]) => left).toSorted((a, b) => b - a));
    }
  });
});
