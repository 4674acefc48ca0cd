/** Room above the topmost line, so that its label stands inside. */
const HEADROOM = 1.1;

export interface Scale {
  top: number;
  /** Zero, unless something lies below it. */
  bottom: number;
  lines: number[];
}

const STEPS = [1, 2, 5, 10];

/** A scale from zero with at most three lines above it, at round values; `whole` for what is counted, of which there are no halves. */
export function niceScale(max: number, lines = 3, whole = false): Scale {
  if (!(max > 0)) return { top: 1, bottom: 0, lines: [0] };
  const power = 10 ** Math.floor(Math.log10(max / lines));
  const round = (STEPS.find((candidate) => candidate * power * lines >= max * (1 - 1e-9)) ?? 10) * power;
  const step = whole ? Math.max(1, round) : round;
  const marks = [0];
  // A line that nothing comes near says nothing: the last is the first one at or past three quarters of the largest value.
  for (let at = step; marks.length <= lines; at += step) {
    marks.push(Number(at.toPrecision(12)));
    if (at >= max * (1 - 1e-9)) break;
  }
  return { top: Math.max(marks[marks.length - 1]!, max) * HEADROOM, bottom: 0, lines: marks };
}

/** A scale for what may be negative too, as changes are: zero has a line, and both sides the steps of the longer one. */
export function signedScale(min: number, max: number, lines = 2): Scale {
  if (!(min < 0)) return niceScale(max, lines);
  const step = niceScale(Math.max(max, -min), lines).lines[1]!;
  const [first, last] = [Math.ceil(min / step), Math.max(0, Math.floor(max / step))];
  const marks = Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
  return { top: Math.max(max, step / 4) * HEADROOM, bottom: min * HEADROOM, lines: marks };
}

/** Where a value lies below the top, in per cent of the height. */
export const depthOf = (value: number, { top, bottom }: Scale) => ((top - value) / (top - bottom)) * 100;

/** Which buckets get a tick: evenly spaced on round hours or days, never closer than the words are wide. */
export function ticks(times: number[], bucketMs: number, wanted: number, zoneOffsetMs: number): number[] {
  const first = times[0];
  if (first === undefined) return [];
  const span = times.length * bucketMs;
  const H = 3_600_000;
  const steps = [
    60_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    H,
    2 * H,
    3 * H,
    6 * H,
    12 * H,
    24 * H,
    48 * H,
    72 * H,
    7 * 24 * H,
    14 * 24 * H,
  ];
  const step = steps.find((candidate) => candidate >= bucketMs && span / candidate <= wanted) ?? 30 * 24 * H;
  const result: number[] = [];
  for (let at = Math.ceil((first + zoneOffsetMs) / step) * step - zoneOffsetMs; at < first + span; at += step) {
    result.push((at - first) / bucketMs);
  }
  return result;
}

/** How far the zone is from UTC at a time: midnight stands where the reader's day begins. */
export function zoneOffset(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at);
  const get = (type: string) => Number(parts.find((part) => part.type === type)?.value ?? 0);
  return Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second')) - Math.floor(at / 1000) * 1000;
}
