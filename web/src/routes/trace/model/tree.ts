import type { ErrorEvent, Span, Subtree } from '../../../api/types';

/** A span in its place. Times are milliseconds from the start of the trace. */
export interface SpanNode {
  span: Span;
  start: number;
  end: number;
  depth: number;
  parent: SpanNode | null;
  children: SpanNode[];
  errors: ErrorEvent[];
  /** It names a parent that has not come. */
  orphan: boolean;
  /** How many spans hang below it. */
  below: number;
  /** Milliseconds of own time. */
  self: number;
  /** What it took with all below it, each call once. */
  took: Subtree;
}

export interface SpanTree {
  roots: SpanNode[];
  /** All of them, each parent before its children, siblings by their start. */
  nodes: SpanNode[];
  byId: Map<string, SpanNode>;
  /** The earliest start, in milliseconds since the epoch. */
  origin: number;
  /** From the earliest start to the latest end. */
  length: number;
}

/** Milliseconds since the epoch with the microseconds that `Date` drops. */
export function millis(time: string): number {
  const point = time.indexOf('.');
  if (point < 0) return Date.parse(time);
  const digits = /^\d+/.exec(time.slice(point + 1))?.[0] ?? '';
  return Date.parse(time.slice(0, point) + time.slice(point + 1 + digits.length)) + Number(`0.${digits || 0}`) * 1000;
}

/** Builds the tree. Spans whose parent is missing, or who are their own ancestors, stand at the top. */
export function buildTree(spans: readonly Span[], errors: readonly ErrorEvent[]): SpanTree {
  const starts = new Map(spans.map((span) => [span.span_id, millis(span.start_time)]));
  let origin = Infinity;
  for (const start of starts.values()) origin = Math.min(origin, start);
  if (!Number.isFinite(origin)) origin = 0;

  const byId = new Map<string, SpanNode>();
  let length = 0;
  for (const span of spans) {
    const start = starts.get(span.span_id)! - origin;
    const end = start + Math.max(0, span.duration_ms ?? 0);
    length = Math.max(length, end);
    byId.set(span.span_id, {
      span,
      start,
      end,
      depth: 0,
      parent: null,
      children: [],
      errors: [],
      orphan: false,
      below: 0,
      self: span.self_time_ms,
      took: span.subtree,
    });
  }
  for (const error of errors) if (error.span_id) byId.get(error.span_id)?.errors.push(error);

  const roots: SpanNode[] = [];
  for (const node of byId.values()) {
    const { parent_span_id: parentId } = node.span;
    const parent = parentId === null ? undefined : byId.get(parentId);
    if (parent && !isCycle(parent, node)) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      node.orphan = parentId !== null;
      roots.push(node);
    }
  }

  const nodes: SpanNode[] = [];
  const order = (a: SpanNode, b: SpanNode) => a.start - b.start || b.end - a.end;
  roots.sort(order);
  // A stack and not recursion: chains of ten thousand spans exist.
  const stack = roots.toReversed();
  for (let node = stack.pop(); node; node = stack.pop()) {
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    nodes.push(node);
    node.children.sort(order);
    for (let at = node.children.length - 1; at >= 0; at -= 1) stack.push(node.children[at]!);
  }
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const node = nodes[at]!;
    if (node.parent) node.parent.below += node.below + 1;
  }
  return { roots, nodes, byId, origin, length };
}

function isCycle(from: SpanNode, to: SpanNode): boolean {
  for (let node: SpanNode | null = from; node; node = node.parent) if (node === to) return true;
  return false;
}

/** The rows that are in sight: what hangs below a folded span is not. */
export function visibleNodes(nodes: readonly SpanNode[], folded: ReadonlySet<string>): SpanNode[] {
  if (folded.size === 0) return [...nodes];
  const rows: SpanNode[] = [];
  for (let at = 0; at < nodes.length; at += 1) {
    const node = nodes[at]!;
    rows.push(node);
    if (folded.has(node.span.span_id)) at += node.below;
  }
  return rows;
}

/** The spans above one, the nearest first. */
export function ancestors(node: SpanNode): SpanNode[] {
  const found: SpanNode[] = [];
  for (let up = node.parent; up; up = up.parent) found.push(up);
  return found;
}

export const isModelCall = ({ kind }: Span) => kind === 'llm' || kind === 'embedding';

/** Whether any of what the reader sees of a span has the words. */
export function matchesText({ span, errors }: SpanNode, words: string): boolean {
  const lower = words.toLowerCase();
  const texts = [
    span.name,
    span.op,
    span.model,
    span.tool,
    span.agent,
    span.status_detail,
    span.input_preview,
    span.output_preview,
    // Three letters of an id are in many.
    words.length >= 6 ? span.span_id : null,
    ...errors.flatMap(({ type, value }) => [type, value]),
  ];
  return texts.some((text) => text?.toLowerCase().includes(lower));
}
