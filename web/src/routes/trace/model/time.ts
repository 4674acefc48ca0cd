import type { SpanNode, SpanTree } from './tree';

export type Interval = [from: number, to: number];

/** The parts of `stretches` put together, in order and without overlap. */
export function mergeIntervals(intervals: Iterable<Interval>): Interval[] {
  const sorted = [...intervals].filter(([from, to]) => to >= from).toSorted((a, b) => a[0] - b[0]);
  const found: Interval[] = [];
  for (const [from, to] of sorted) {
    const last = found[found.length - 1];
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

/** When a span itself is at work: its time less the union of its children's. */
export function selfIntervals({ start, end, children }: SpanNode): Interval[] {
  const taken = mergeIntervals(children.map((child): Interval => [Math.max(start, child.start), Math.min(end, child.end)]));
  const own: Interval[] = [];
  let from = start;
  for (const [begin, stop] of taken) {
    if (begin > from) own.push([from, begin]);
    from = Math.max(from, stop);
  }
  if (end > from || own.length + taken.length === 0) own.push([from, end]);
  return own;
}

/** Stretches in which no span of the trace is at work, at least this part of the whole. */
const MIN_IDLE_SHARE = 0.08;

export function idleIntervals({ roots, length }: SpanTree): Interval[] {
  const busy = mergeIntervals(roots.flatMap(subtreeIntervals));
  const gaps: Interval[] = [];
  for (let at = 1; at < busy.length; at += 1) {
    const gap: Interval = [busy[at - 1]![1], busy[at]![0]];
    if (gap[1] - gap[0] >= length * MIN_IDLE_SHARE) gaps.push(gap);
  }
  return gaps;
}

/** A span and all below it: children may outlive their parent. */
function subtreeIntervals(root: SpanNode): Interval[] {
  const found: Interval[] = [];
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    found.push([node.start, node.end]);
    stack.push(...node.children);
  }
  return found;
}

/** The width that a folded gap keeps, as part of the axis. */
const FOLDED_GAP_SHARE = 0.05;

export interface TimeAxis {
  /** Where a time stands, from 0 to 1. */
  place: (time: number) => number;
  /** How long a part of the axis is, where nothing is folded. */
  folds: { from: number; to: number; at: number; width: number }[];
  ticks: { at: number; time: number }[];
  /** The step between the ticks, in milliseconds. */
  step: number;
}

const ROUND_STEPS = [1, 2, 5];

/** A round step that divides `length` into at most `most` parts. */
export function roundStep(length: number, most: number): number {
  if (length <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(length / most));
  const step = ROUND_STEPS.find((one) => one * power * most >= length) ?? 10;
  return step * power;
}

/** The time axis of a trace: linear, but for gaps in which nothing happened. */
export function makeTimeAxis(length: number, gaps: Interval[], most = 5): TimeAxis {
  const whole = Math.max(length, 1e-6);
  const lost = gaps.reduce((sum, [from, to]) => sum + to - from, 0);
  const scale = (1 - gaps.length * FOLDED_GAP_SHARE) / Math.max(1e-6, whole - lost);
  const place = (time: number) => {
    let at = Math.max(0, Math.min(whole, time)) * scale;
    for (const [from, to] of gaps) {
      if (time <= from) break;
      const inside = Math.min(time, to) - from;
      at += (inside / (to - from)) * FOLDED_GAP_SHARE - inside * scale;
    }
    return Math.max(0, Math.min(1, at));
  };
  const step = roundStep(whole - lost, most);
  const ticks: TimeAxis['ticks'] = [];
  for (let time = 0; time <= whole && ticks.length < 400; time += step) {
    const at = place(time);
    // The length of a gap stands over it, and needs its room.
    const hidden = gaps.some(([from, to]) => (time > from && time < to) || Math.abs((place(from) + place(to)) / 2 - at) < 0.16);
    const last = ticks[ticks.length - 1];
    // Words never stand on each other, also where a fold brings ticks together.
    if (!hidden && (!last || at - last.at > 0.12)) ticks.push({ at, time });
  }
  return { place, step, ticks, folds: gaps.map(([from, to]) => ({ from, to, at: place(from), width: FOLDED_GAP_SHARE })) };
}

/**
 * The critical path: walking back from the end, whatever ended last was being waited for. For each span, the stretches
 * in which it was its own work that held up the end of the trace.
 */
export function criticalPath(tree: SpanTree): Map<SpanNode, Interval[]> {
  const found = new Map<SpanNode, Interval[]>();
  const note = (node: SpanNode, from: number, to: number) => {
    if (to - from <= 0) return;
    const list = found.get(node);
    if (list) list.push([from, to]);
    else found.set(node, [[from, to]]);
  };
  const last = tree.roots.reduce<SpanNode | null>((latest, root) => (!latest || root.end > latest.end ? root : latest), null);
  const work: { node: SpanNode; until: number }[] = last ? [{ node: last, until: last.end }] : [];
  for (let job = work.pop(); job; job = work.pop()) {
    const { node } = job;
    let now = job.until;
    const children = node.children.toSorted((a, b) => b.end - a.end);
    for (const child of children) {
      if (now <= node.start) break;
      const end = Math.min(child.end, node.end);
      // What was still at work when the next step had begun was not what the next step waited for.
      if (end > now || child.start >= now || end <= node.start) continue;
      note(node, end, now);
      work.push({ node: child, until: end });
      now = Math.max(child.start, node.start);
    }
    note(node, node.start, now);
  }
  return found;
}
