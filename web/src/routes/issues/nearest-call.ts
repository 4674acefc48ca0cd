import type { ErrorEvent, Span } from '../../api/types';

/** Where a call is, seen from an error: its own span, a span around it, or before or after it. */
export type CallRelation = 'same' | 'around' | 'before' | 'after';

export interface NearestCall {
  span: Span;
  relation: CallRelation;
  /** Milliseconds between the end of a call before the error, or the start of a call after it, and the error; null if they are unknown. */
  gapMs: number | null;
}

const isCall = ({ kind }: Span) => kind === 'llm' || kind === 'embedding';
const startOf = (span: Span) => Date.parse(span.start_time);
/** Null if no report says how long the span took. */
const endOf = (span: Span) => (span.duration_ms === null ? null : startOf(span) + span.duration_ms);

/** The calls of a trace, without further reports of the same call. */
export function callsOf(spans: Span[]): Span[] {
  const calls = spans.filter(isCall);
  const counted = calls.filter(({ counted: own }) => own);
  return counted.length > 0 ? counted : calls;
}

/**
 * The call that an error most likely has to do with: the call in whose span it happened, otherwise a call around that span, otherwise the last
 * call that began before the error below the closest span that contains one. Null if the trace has no call.
 */
export function nearestCall(spans: Span[], event: Pick<ErrorEvent, 'span_id' | 'time'>): NearestCall | null {
  const calls = callsOf(spans);
  if (calls.length === 0) return null;
  const at = Date.parse(event.time);
  const byId = new Map(spans.map((span) => [span.span_id, span]));
  const ancestors = ancestorsOf(event.span_id, byId);
  const enclosing = ancestors.find(isCall);
  if (enclosing) return { span: enclosing, relation: enclosing.span_id === event.span_id ? 'same' : 'around', gapMs: 0 };

  const closest = ancestors.find(({ span_id: id }) => calls.some((call) => isBelow(call, id, byId)));
  const candidates = closest ? calls.filter((call) => isBelow(call, closest.span_id, byId)) : calls;
  const before = candidates.filter((call) => startOf(call) <= at);
  const latest = before.reduce<Span | null>((best, call) => (best && startOf(best) > startOf(call) ? best : call), null);
  if (latest) {
    const end = endOf(latest);
    return { span: latest, relation: 'before', gapMs: end === null ? null : Math.max(0, at - end) };
  }
  const first = candidates.reduce((best, call) => (startOf(best) <= startOf(call) ? best : call));
  return { span: first, relation: 'after', gapMs: startOf(first) - at };
}

/** The span itself, its parent, and so on. Damaged traces may have cycles. */
function ancestorsOf(id: string | null, byId: Map<string, Span>): Span[] {
  const found: Span[] = [];
  const seen = new Set<string>();
  for (let next = id; next !== null && !seen.has(next); ) {
    seen.add(next);
    const span = byId.get(next);
    if (!span) break;
    found.push(span);
    next = span.parent_span_id;
  }
  return found;
}

const isBelow = (span: Span, ancestor: string, byId: Map<string, Span>) =>
  ancestorsOf(span.span_id, byId).some(({ span_id: id }) => id === ancestor);
