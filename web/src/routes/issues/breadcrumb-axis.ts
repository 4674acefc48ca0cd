/** A breadcrumb on the axis: its index, and its place from 0 (the oldest) to 1 (the event). */
export interface AxisMark {
  at: number;
  place: number;
}

export interface AxisTick {
  ageMs: number;
  place: number;
}

export interface BreadcrumbAxis {
  marks: AxisMark[];
  ticks: AxisTick[];
  /** Whether the axis is logarithmic, because the oldest breadcrumb is much older than most others. */
  logarithmic: boolean;
}

/** From this age of the oldest breadcrumb on, an even axis would press the last seconds into nothing. */
const LINEAR_MS = 60_000;
/** The first second of a logarithmic axis is still even. */
const UNIT_MS = 1000;

const STEPS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
const LOG_TICKS_MS = [1000, 10_000, 60_000, 600_000, 3_600_000, 6 * 3_600_000, 86_400_000, 7 * 86_400_000, 30 * 86_400_000];
const MAX_TICKS = 6;
/** Ticks closer than this would print over each other. */
const MIN_TICK_GAP = 0.09;
/** Room for the label at the event. */
const END_LABEL = 0.05;

/**
 * The time axis of breadcrumbs, which ends at the event. `times` and `event` are milliseconds since the epoch; null for a breadcrumb without a
 * time. Null if fewer than two breadcrumbs have a time, or all happened with the event.
 */
export function breadcrumbAxis(times: (number | null)[], event: number): BreadcrumbAxis | null {
  const ages = times.map((time) => (time === null || !Number.isFinite(time) ? null : Math.max(0, event - time)));
  const known = ages.filter((age) => age !== null);
  const oldest = Math.max(0, ...known);
  if (known.length < 2 || oldest === 0) return null;
  const logarithmic = oldest > LINEAR_MS;
  const placeOf = (age: number) => (logarithmic ? 1 - Math.log1p(age / UNIT_MS) / Math.log1p(oldest / UNIT_MS) : 1 - age / oldest);
  const marks = ages.flatMap((age, at) => (age === null ? [] : [{ at, place: placeOf(age) }]));
  return { marks, ticks: spread(ticksUpTo(oldest, logarithmic), placeOf), logarithmic };
}

function ticksUpTo(oldest: number, logarithmic: boolean): number[] {
  if (logarithmic) return LOG_TICKS_MS.filter((age) => age < oldest);
  const step = STEPS_MS.find((one) => oldest / one <= MAX_TICKS) ?? STEPS_MS.at(-1)!;
  return Array.from({ length: Math.floor(oldest / step) }, (_, at) => (at + 1) * step);
}

/** Leaves out ticks that are too close to the one after them, or to an end of the axis. */
function spread(ages: number[], placeOf: (age: number) => number): AxisTick[] {
  const found: AxisTick[] = [];
  // The end has a label of its own.
  let right = 1 - END_LABEL;
  for (const ageMs of ages) {
    const place = placeOf(ageMs);
    if (right - place < MIN_TICK_GAP || place < 0.02) continue;
    found.push({ ageMs, place });
    right = place;
  }
  return found;
}
