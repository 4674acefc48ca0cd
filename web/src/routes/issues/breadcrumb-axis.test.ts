import { describe, expect, it } from 'vitest';
import { breadcrumbAxis } from './breadcrumb-axis';

const EVENT = Date.UTC(2026, 10, 30, 10);
const before = (...ages: number[]) => ages.map((age) => EVENT - age);

describe('the axis of breadcrumbs', () => {
  it('is even for a minute', () => {
    const axis = breadcrumbAxis(before(40_000, 20_000, 0), EVENT)!;
    expect(axis.logarithmic).toBe(false);
    expect(axis.marks.map(({ place }) => place)).toEqual([0, 0.5, 1]);
    expect(axis.ticks.map(({ ageMs }) => ageMs)).toEqual([10_000, 20_000, 30_000]);
  });

  it('is logarithmic beyond, so that the last seconds stay apart', () => {
    const axis = breadcrumbAxis(before(7_200_000, 60_000, 1000, 100), EVENT)!;
    expect(axis.logarithmic).toBe(true);
    const places = axis.marks.map(({ place }) => place);
    expect(places[0]).toBe(0);
    expect(places.every((place, at) => at === 0 || place > places[at - 1]!)).toBe(true);
    expect(places[3]! - places[2]!).toBeGreaterThan(0.05);
    expect(axis.ticks.map(({ ageMs }) => ageMs)).toContain(60_000);
  });

  it('has no two ticks that print over each other', () => {
    for (const oldest of [3, 40, 900, 12_000, 59_000, 61_000, 4_000_000, 90_000_000, 5_000_000_000]) {
      const { ticks } = breadcrumbAxis(before(oldest, 0), EVENT)!;
      ticks.forEach(({ place }, at) => expect(at === 0 ? 1 : ticks[at - 1]!.place - place).toBeGreaterThan(0.08));
      expect(ticks.length).toBeGreaterThan(0);
    }
  });

  it('puts a breadcrumb after the event at its end, and leaves out one without a time', () => {
    const axis = breadcrumbAxis([EVENT - 1000, null, Number.NaN, EVENT + 500], EVENT)!;
    expect(axis.marks).toEqual([
      { at: 0, place: 0 },
      { at: 3, place: 1 },
    ]);
  });

  it('needs two times that differ', () => {
    expect(breadcrumbAxis([EVENT - 1000], EVENT)).toBeNull();
    expect(breadcrumbAxis([EVENT, EVENT], EVENT)).toBeNull();
    expect(breadcrumbAxis([], EVENT)).toBeNull();
  });
});
