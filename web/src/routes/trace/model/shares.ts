import type { SpanKind } from '../../../api/types';
import type { SpanNode } from './tree';

/** Time of one operation, or of one category of them. */
export interface TimeShare {
  key: string;
  kind: SpanKind;
  spans: number;
  failed: number;
  /** Milliseconds of own time. Shares of its sum add up to one, also where children ran at once. */
  self: number;
  share: number;
  /** Milliseconds from start to end of those spans that stand under no other one of the same name. */
  inclusive: number;
  /** Of its spans the one that took longest from start to end. */
  slowest: SpanNode;
}

export interface CategoryShare extends TimeShare {
  operations: TimeShare[];
}

const categoryOf = (op: string) => op.split('.', 1)[0] ?? op;

/** Operations of models differ too much to be one: a call of a model is not a call of a tool. */
export const isShownByOperation = (category: string) => category === 'gen_ai' || category === 'ai';

interface Sum {
  nodes: SpanNode[];
  self: number;
  inclusive: number;
  failed: number;
}

const REQUEST_KINDS: ReadonlySet<SpanKind> = new Set<SpanKind>(['http', 'db', 'other']);
const CALLER_KINDS: ReadonlySet<SpanKind> = new Set<SpanKind>(['llm', 'embedding', 'tool']);

/** Own time by span, where that of a request or a database query goes to the nearest model or tool call above it, which waited for it. */
export function timesWithRequests(nodes: readonly SpanNode[]): ReadonlyMap<SpanNode, number> {
  const times = new Map(nodes.map((node) => [node, node.self]));
  // The nearest call above each span. A parent comes before its children.
  const calls = new Map<SpanNode, SpanNode | null>();
  for (const node of nodes) {
    const { parent } = node;
    const call = parent === null ? null : CALLER_KINDS.has(parent.span.kind) ? parent : (calls.get(parent) ?? null);
    calls.set(node, call);
    if (call === null || !REQUEST_KINDS.has(node.span.kind)) continue;
    times.set(node, 0);
    times.set(call, (times.get(call) ?? 0) + node.self);
  }
  return times;
}

const emptySum = (): Sum => ({ nodes: [], self: 0, inclusive: 0, failed: 0 });

function sumBy(nodes: readonly SpanNode[], times: ReadonlyMap<SpanNode, number>, keyOf: (node: SpanNode) => string): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  // Which keys stand above each span, so that what is nested is not counted into inclusive time twice.
  const over = new Map<SpanNode, ReadonlySet<string>>();
  for (const node of nodes) {
    const key = keyOf(node);
    let upper: ReadonlySet<string> = new Set();
    if (node.parent) {
      const parentKey = keyOf(node.parent);
      const known = over.get(node.parent)!;
      upper = known.has(parentKey) ? known : new Set([...known, parentKey]);
    }
    over.set(node, upper);
    const sum = sums.get(key) ?? emptySum();
    sums.set(key, sum);
    sum.nodes.push(node);
    sum.self += times.get(node) ?? 0;
    if (node.span.status === 'error') sum.failed += 1;
    if (!upper.has(key)) sum.inclusive += node.span.duration_ms ?? 0;
  }
  return sums;
}

function toTimeShare(key: string, { nodes, self, inclusive, failed }: Sum, times: ReadonlyMap<SpanNode, number>, whole: number): TimeShare {
  const time = (node: SpanNode) => times.get(node) ?? 0;
  const heaviest = nodes.reduce((most, node) => (time(node) > time(most) ? node : most));
  return {
    key,
    kind: heaviest.span.kind,
    spans: nodes.length,
    failed,
    self,
    share: whole > 0 ? self / whole : 0,
    inclusive,
    slowest: nodes.reduce((most, node) => ((node.span.duration_ms ?? 0) > (most.span.duration_ms ?? 0) ? node : most)),
  };
}

const bySelfTime = (a: TimeShare, b: TimeShare) => b.self - a.self || (a.key < b.key ? -1 : 1);

/** Where the time went: own time by category (an operation's name before its first dot) and by operation. */
export function timeShares(nodes: readonly SpanNode[]): CategoryShare[] {
  const named = (node: SpanNode) => node.span.op || node.span.kind;
  const whole = nodes.reduce((sum, { self }) => sum + self, 0);
  const times = timesWithRequests(nodes);
  const operations = sumBy(nodes, times, named);
  const found: CategoryShare[] = [];
  for (const [category, sum] of sumBy(nodes, times, (node) => categoryOf(named(node)))) {
    const members = [...operations]
      .filter(([op]) => categoryOf(op) === category)
      .map(([op, own]) => toTimeShare(op, own, times, whole))
      .toSorted(bySelfTime);
    // A category of one operation is that operation.
    const only = members.length === 1 ? members[0] : undefined;
    // It looks as its largest operation does.
    const { kind } = members[0]!;
    found.push({ ...toTimeShare(only?.key ?? category, sum, times, whole), kind, operations: members });
  }
  return found.toSorted(bySelfTime);
}

/** One line of them: categories, but for operations of models, which are told apart. */
export function shareBarItems(categories: CategoryShare[]): TimeShare[] {
  return categories
    .flatMap((category): TimeShare[] => (isShownByOperation(categoryOf(category.key)) ? category.operations : [category]))
    .toSorted(bySelfTime);
}
