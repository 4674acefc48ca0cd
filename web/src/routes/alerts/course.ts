import type { Severity, Tried } from '../../api/alert-types';
import type { Ring } from './level-chart';

export interface Course {
  times: number[];
  stepMs: number;
  values: (number | null)[];
  rings: Ring[];
}

export interface Axis {
  times: number[];
  first: number;
  stepMs: number;
}

export function axisOf(points: [at: string, value: number | null][], from: string): Axis {
  const times = points.map(([at]) => Date.parse(at));
  const first = times[0] ?? Date.parse(from);
  const stepMs = times.length > 1 ? (times[times.length - 1]! - first) / (times.length - 1) : 60_000;
  return { times, first, stepMs };
}

/** Where a moment lies, in steps of the axis. */
export const placeOn = ({ times, first, stepMs }: Axis, at: string) =>
  Math.max(0, Math.min(times.length, (Date.parse(at) - first) / stepMs));

/** What a rule would have done, on the axis of a chart. */
export function courseOf(tried: Tried): Course {
  const axis = axisOf(tried.points, tried.from);
  const { times, stepMs } = axis;
  const place = (at: string | null) => (at === null ? times.length : placeOn(axis, at));
  const rings = tried.incidents.map(({ opened_at: opened, resolved_at: resolved, severity }) => ({
    from: place(opened),
    to: place(resolved),
    severity,
  }));
  return { times, stepMs, values: tried.points.map(([, value]) => value), rings: merged(rings) };
}

/** Groups ring at the same time: one band for what touches, as bad as the worst of it. */
function merged(rings: Ring[]): Ring[] {
  const result: Ring[] = [];
  for (const ring of rings.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last && ring.from <= last.to) {
      last.to = Math.max(last.to, ring.to);
      last.severity = worse(last.severity, ring.severity);
    } else result.push({ ...ring });
  }
  return result;
}

const worse = (a: Severity, b: Severity): Severity => (a === 'critical' || b === 'critical' ? 'critical' : 'warning');
