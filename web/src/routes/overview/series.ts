import type { BreakdownRow, Measure, OtherGroups, SeriesAnswer, TimeSeriesGroup } from '../../api/types';
import type { StackSeries } from '../../charts';
import { OTHER_COLOR, type ColorOf } from '../../colors';

export type Values = (number | null)[];

/** The values of a measure that is not grouped. */
export function seriesValues(answer: SeriesAnswer | undefined, measure: Measure): Values {
  return answer?.measures[measure]?.[0]?.points.map(([, value]) => value) ?? [];
}

/** The start of each bucket. */
export function bucketTimes(answer: SeriesAnswer | undefined): number[] {
  const groups = Object.values(answer?.measures ?? {}).find((list) => list.length > 0);
  return groups?.[0]?.points.map(([at]) => Date.parse(at)) ?? [];
}

/** As many models as can be told apart; the rest are one band. */
const MAX_SERIES = 7;
export const OTHER = '\u0000other';

const total = (group: TimeSeriesGroup) => group.points.reduce((sum, [, value]) => sum + (value ?? 0), 0);

/** How much a series moves, relative to its size. */
function volatility(values: Values): number {
  const numbers = values.map((value) => value ?? 0);
  const mean = numbers.reduce((sum, value) => sum + value, 0) / Math.max(1, numbers.length);
  if (mean === 0) return Infinity;
  const variance = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length;
  return Math.sqrt(variance) / mean;
}

/** Those that the stack names, the dearest first. */
const mostExpensive = (groups: TimeSeriesGroup[] | undefined) =>
  (groups ?? []).filter((group) => total(group) > 0).toSorted((a, b) => total(b) - total(a));

/** The names that are to be told apart: those of the stack before all others. */
export const modelsInOrder = (groups: TimeSeriesGroup[] | undefined, rows: readonly BreakdownRow[]): (string | null)[] => [
  ...mostExpensive(groups)
    .slice(0, MAX_SERIES)
    .map(({ key }) => key),
  ...rows.map(({ key }) => key),
];

/** A stack of the dearest models, steady ones at the bottom, so that what moves is on top; all others in one. */
export function stackSeries(groups: TimeSeriesGroup[] | undefined, colorOf: ColorOf, others?: OtherGroups): StackSeries[] {
  const spent = mostExpensive(groups);
  const rest = spent.slice(MAX_SERIES);
  const stack = spent
    .slice(0, MAX_SERIES)
    .map(({ key, points }) => ({ key: key ?? '', color: colorOf(key), values: points.map(([, value]) => value) }))
    .toSorted((a, b) => volatility(a.values) - volatility(b.values));
  // What the server adds up beyond the groups that it names belongs to the rest too.
  const unnamed = others?.points ?? [];
  if (rest.length === 0 && unnamed.length === 0) return stack;
  const times = (rest[0]?.points ?? unnamed).length;
  const values = Array.from({ length: times }, (_, at) =>
    rest.reduce((sum, { points }) => sum + (points[at]?.[1] ?? 0), unnamed[at]?.[1] ?? 0),
  );
  return [{ key: OTHER, color: OTHER_COLOR, values }, ...stack];
}

/** Dearest first; what has no price stands last, and is in no sum. */
export const byCost = (rows: BreakdownRow[]) => rows.toSorted((a, b) => (b.cost ?? -1) - (a.cost ?? -1) || b.llm_calls - a.llm_calls);

/** Nothing of it was priced, so that its cost is not known. */
export const isUnpriced = ({ cost, unpriced_calls: calls }: { cost: number | null; unpriced_calls: number }) => cost === null && calls > 0;
