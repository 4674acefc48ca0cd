import type { Bucket } from './api/types';

/** A span of time as the API takes it: relative (`-24h`, `now`) or absolute. */
export interface TimeSpan {
  from: string;
  to: string;
}

/** The range as it stands in the address bar. */
export interface RangeSearch {
  last?: string;
  from?: string;
  to?: string;
}

export const RELATIVE_RANGES = ['15m', '1h', '6h', '24h', '7d', '30d'] as const;
export const DEFAULT_RELATIVE_RANGE = '24h';

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

export const BUCKET_MS: Record<Bucket, number> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '30m': 1_800_000,
  '1h': 3_600_000,
  '6h': 21_600_000,
  '12h': 43_200_000,
  '1d': 86_400_000,
};

/** About as many bars as a chart can show apart. */
const MAX_BUCKETS = 75;

export function parseRelativeRange(last: string): number | null {
  const match = /^([1-9]\d{0,3})([mhd])$/.exec(last);
  return match ? Number(match[1]) * (UNIT_MS[match[2]!] ?? 0) : null;
}

export interface Range {
  /** What to ask for. */
  span: TimeSpan;
  /** The period of the same length just before. */
  before: TimeSpan;
  ms: number;
  bucket: Bucket;
  /** Set when the range ends now. */
  last: string | null;
}

function bucketFor(ms: number): Bucket {
  const widths = Object.entries(BUCKET_MS) as [Bucket, number][];
  return (widths.find(([, width]) => ms / width <= MAX_BUCKETS) ?? widths[widths.length - 1]!)[0];
}

const DAY_MS = 86_400_000;

/**
 * The range for a link to something that happened between two moments, in milliseconds since the epoch. A range that holds both stays as it is;
 * else it becomes a day before the first to a day after the second.
 */
export function rangeAround({ span, ms, last }: Range, first: number, end = first, now = Date.now()): RangeSearch {
  const [from, to] = last ? [now - ms, now] : [Date.parse(span.from), Date.parse(span.to)];
  if (!(first >= 0) || (first >= from && end <= to)) return {};
  return { last: undefined, from: new Date(first - DAY_MS).toISOString(), to: new Date(Math.max(first, end) + DAY_MS).toISOString() };
}

export function resolveRange(search: RangeSearch): Range {
  const from = search.from ? Date.parse(search.from) : NaN;
  const to = search.to ? Date.parse(search.to) : NaN;
  if (Number.isFinite(from) && Number.isFinite(to) && to > from) {
    const ms = to - from;
    return {
      span: { from: new Date(from).toISOString(), to: new Date(to).toISOString() },
      before: { from: new Date(from - ms).toISOString(), to: new Date(from).toISOString() },
      ms,
      bucket: bucketFor(ms),
      last: null,
    };
  }
  const last = search.last && parseRelativeRange(search.last) ? search.last : DEFAULT_RELATIVE_RANGE;
  const ms = parseRelativeRange(last)!;
  const [, count, unit] = /^(\d+)(.)$/.exec(last)!;
  return {
    span: { from: `-${last}`, to: 'now' },
    before: { from: `-${Number(count) * 2}${unit}`, to: `-${last}` },
    ms,
    bucket: bucketFor(ms),
    last,
  };
}
