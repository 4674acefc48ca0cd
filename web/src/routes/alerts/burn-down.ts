import type { BudgetState } from '../../api/types';
import { forecastOf } from './forecast';

/** A point of a line: a part of the period's length, and what is left then. */
export type Point = [x: number, left: number];

export interface BurnDown {
  /** What was left, from the start of the period until now. */
  course: Point[];
  /** Until the end: the likely case, its lower bound, and the upper one or what comes if it goes on like this, whichever is more. */
  expected: Point[];
  low: Point[];
  high: Point[];
  now: number;
  top: number;
  bottom: number;
}

/** How many times the amount, or what was spent if that is more, are shown below zero: beyond that, nothing would be seen of what was spent. */
const MAX_OVERSPENT_SHARE = 4;

/** What is left of a budget over its period: points are what each stretch of time took. */
export function burnDown(amount: number, state: BudgetState, points: [string, number | null][], nowMs: number): BurnDown {
  const start = Date.parse(state.period_start);
  const length = Math.max(1, Date.parse(state.period_end) - start);
  const place = (ms: number) => Math.max(0, Math.min(1, (ms - start) / length));
  const now = place(nowMs);
  const left = amount - state.spent;
  const course: Point[] = [[0, amount]];
  let rest = amount;
  points.forEach(([, taken], at) => {
    const end = points[at + 1]?.[0];
    rest -= taken ?? 0;
    if (end !== undefined && place(Date.parse(end)) < now) course.push([place(Date.parse(end)), Math.max(rest, left)]);
  });
  // The server's own sum has the last word: what is newer than it would make the line climb.
  course.push([now, left]);
  const to = (sum: number | undefined): Point[] =>
    sum === undefined
      ? []
      : [
          [now, left],
          [1, amount - sum],
        ];
  const { expected, low, high, projected: goesOn } = forecastOf(state) ?? {};
  const worst = goesOn === undefined ? high : Math.max(high ?? 0, goesOn);
  const lowest = Math.min(0, left, Math.max(-MAX_OVERSPENT_SHARE * Math.max(amount, state.spent), amount - (worst ?? 0)));
  return {
    course,
    expected: to(expected),
    low: to(low),
    high: to(worst),
    now,
    top: amount,
    bottom: lowest < 0 ? lowest - (amount - lowest) * 0.05 : 0,
  };
}

/** Labels at these heights (0 at the top, 100 at the bottom), moved as little as it takes for `gap` between any two of them. */
export function spreadLabels(heights: number[], gap: number): number[] {
  const order = heights.map((height, at) => ({ height, at })).toSorted((a, b) => a.height - b.height || a.at - b.at);
  const placed: number[] = [];
  for (const { height } of order) placed.push(Math.max(height, (placed.at(-1) ?? -Infinity) + gap));
  // What was pushed out at the bottom pushes the others back up.
  let limit = 100;
  for (let at = placed.length - 1; at >= 0; at -= 1) {
    placed[at] = Math.min(placed[at]!, limit);
    limit = placed[at]! - gap;
  }
  const result = heights.slice();
  order.forEach(({ at }, place) => (result[at] = placed[place]!));
  return result;
}
