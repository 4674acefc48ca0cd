import type { Severity, Tried } from '../../api/types';
import type { FiredInterval } from './threshold-chart';

export interface PreviewSeries {
  times: number[];
  stepMs: number;
  values: (number | null)[];
  firedIntervals: FiredInterval[];
}

export interface SeriesAxis {
  times: number[];
  first: number;
  stepMs: number;
}

export function axisOf(points: [at: string, value: number | null][], from: string): SeriesAxis {
  const times = points.map(([at]) => Date.parse(at));
  const first = times[0] ?? Date.parse(from);
  const stepMs = times.length > 1 ? (times[times.length - 1]! - first) / (times.length - 1) : 60_000;
  return { times, first, stepMs };
}

/** Where a moment lies, in steps of the axis. */
export const axisPosition = ({ times, first, stepMs }: SeriesAxis, at: string) =>
  Math.max(0, Math.min(times.length, (Date.parse(at) - first) / stepMs));

/** What a rule would have done, on the axis of a chart. */
export function previewSeriesOf(tried: Tried): PreviewSeries {
  const axis = axisOf(tried.points, tried.from);
  const { times, stepMs } = axis;
  const place = (at: string | null) => (at === null ? times.length : axisPosition(axis, at));
  const firedIntervals = tried.incidents.map(({ opened_at: opened, resolved_at: resolved, severity }) => ({
    from: place(opened),
    to: place(resolved),
    severity,
  }));
  return { times, stepMs, values: tried.points.map(([, value]) => value), firedIntervals: mergeFiredIntervals(firedIntervals) };
}

/** Groups ring at the same time: one band for what touches, as bad as the worst of it. */
function mergeFiredIntervals(firedIntervals: FiredInterval[]): FiredInterval[] {
  const result: FiredInterval[] = [];
  for (const firedInterval of firedIntervals.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last && firedInterval.from <= last.to) {
      last.to = Math.max(last.to, firedInterval.to);
      last.severity = worseSeverity(last.severity, firedInterval.severity);
    } else result.push({ ...firedInterval });
  }
  return result;
}

const worseSeverity = (a: Severity, b: Severity): Severity => (a === 'critical' || b === 'critical' ? 'critical' : 'warning');
