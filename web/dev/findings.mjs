// Findings of the mock server: made from the ID of the trace, so that they stay the same.
import { iso } from './data.mjs';
import { fail, groupBy, page, scope, setFindingTest, sum, time, traces } from './queries.mjs';

const WINDOW = 200_000;

/** Kinds with their share of the traces, their severity, and the reason for a number. */
const KINDS = [
  [
    'tool_loop',
    0.012,
    'warning',
    (n) =>
      n % 3
        ? { code: 'same_call_same_result', tool: 'search_flights', calls: 4 + (n % 28) }
        : { code: 'same_failure', tool: 'hotel_rates', calls: 5 + (n % 9) },
  ],
  [
    'agent_ping_pong',
    0.002,
    'warning',
    (n) => ({ code: 'ping_pong', first_agent: 'trip-planner', second_agent: '見積もり係', handoffs: 5 + (n % 4) }),
  ],
  ['tool_error_ignored', 0.018, 'warning', (n) => ({ code: 'error_not_mentioned', tool: 'search_hotels', failures: 1 + (n % 3) })],
  [
    'retry_storm',
    0.006,
    'warning',
    (n) =>
      n % 2
        ? { code: 'model_retries', model: n % 4 === 1 ? 'gpt-4o' : null, attempts: 5 + (n % 7) }
        : { code: 'tool_retries', tool: 'get_weather', attempts: 6 },
  ],
  [
    'answer_truncated',
    0.014,
    'warning',
    (n) => ({ code: 'truncated', source: n % 2 ? 'finish_reason' : 'token_limit', output_tokens: n % 3 ? 1024 : null }),
  ],
  ['answer_empty', 0.003, 'critical', (n) => ({ code: 'empty', output_tokens: n % 2 ? 1 : null })],
  ['question_repeated', 0.035, 'info', (n) => ({ code: 'asked_again', turns_later: 1 + (n % 3), reworded: n % 2 === 0 })],
  ['unknown_tool', 0.003, 'warning', (n) => ({ code: 'not_offered', tool: 'book_hotel', offered: n % 5 })],
  [
    'bad_tool_arguments',
    0.009,
    'warning',
    (n) => ({ code: 'bad_arguments', tool: 'search_places', corrected: n % 2 === 0, ...argumentFault(n) }),
  ],
  [
    'run_limit',
    0.006,
    'critical',
    (n) => ({ code: 'limit_reached', limit: ['turns', 'iterations', 'recursion', 'time', 'budget'][n % 5], maximum: n % 4 ? 40 : null }),
  ],
  [
    'context_growth',
    0.004,
    'warning',
    (n) => ({ code: 'grew', agent: n % 2 ? 'trip-planner' : null, from_tokens: 2_100, to_tokens: 118_000 + n, window: n % 3 ? WINDOW : null }),
  ],
  ['wrong_language', 0.007, 'warning', (n) => ({ code: 'other_language', asked: n % 2 ? 'eng' : 'jpn', answered: n % 2 ? 'jpn' : 'Cyrl' })],
  ['refusal', 0.011, 'info', (n) => ({ code: 'declined', by_finish_reason: n % 2 === 0 })],
];

const FAULTS = [
  { fault: 'invalid_json' },
  { fault: 'missing', argument: 'city' },
  { fault: 'wrong_type', argument: 'radius', expected: 'number' },
  { fault: 'not_allowed', argument: 'order' },
  { fault: 'unexpected', argument: 'near' },
  { fault: 'rejected' },
];
const argumentFault = (n) => FAULTS[n % FAULTS.length];

const WASTING = ['tool_loop', 'agent_ping_pong', 'retry_storm', 'run_limit', 'answer_empty'];

/** Longer traces are not searched. */
const MAX_SPANS = 2000;
const isSearched = ({ spans }) => spans.length <= MAX_SPANS;

const number = (text) => Number.parseInt(text, 16);

function findingOf({ summary, spans }, [kind, , severity, reason], n) {
  const calls = spans.filter(({ kind: of }) => of === 'llm' || of === 'tool');
  return {
    detector: 'signal',
    kind,
    severity,
    confidence: 0.5 + (n % 50) / 100,
    span_ids: (calls.length > 0 ? calls : spans).slice(-3).map(({ span_id: id }) => id),
    evidence: null,
    // The page writes the sentence from the reason.
    explanation: `Found ${kind.replaceAll('_', ' ')}.`,
    reason: reason(n),
    // Calls of unknown cost are left out.
    wasted_cost: WASTING.includes(kind) ? (summary.cost ?? 0) * 0.6 : 0,
  };
}

const known = new Map();

/** The findings of a trace; null if it was not searched. */
export function findingsOf(trace) {
  const { trace_id: id } = trace.summary;
  if (!isSearched(trace)) return null;
  if (!known.has(id)) {
    const last = KINDS.length - 1;
    // The agent that plans a trip has several, so that a trace with more than one is easy to find.
    const found = trace.spans.some(({ user_id: user }) => user === 'u_3107')
      ? [KINDS[2], KINDS[0], KINDS[9]]
      : KINDS.filter(([, share], at) => ((number(id.slice(0, 6)) * (at + 3) * 7919) % 100_003) / 100_003 < share);
    known.set(
      id,
      found.slice(0, last).map((kind) => findingOf(trace, kind, number(id.slice(6, 10)))),
    );
  }
  return known.get(id);
}

const byId = new Map();

setFindingTest((id, values) => {
  if (!byId.has(id)) for (const trace of traces) byId.set(trace.summary.trace_id, trace);
  const trace = byId.get(id);
  const found = (trace && findingsOf(trace)) ?? [];
  return found.some(({ kind, detector }) => values.some((value) => value === '*' || value === kind || value === detector));
});

const BUCKETS = 24;

function trendOf(found, from, to) {
  const width = (to - from) / BUCKETS;
  const slots = Array.from({ length: BUCKETS }, () => new Set());
  for (const { at, trace } of found) slots[Math.min(BUCKETS - 1, Math.floor((at - from) / width))]?.add(trace.summary.trace_id);
  return slots.map((ids, slot) => ({ time: iso(from + slot * width), traces: ids.size }));
}

const listed = (searched) =>
  searched.flatMap((trace) => (findingsOf(trace) ?? []).map((finding) => ({ at: trace.at, trace, finding }))).toReversed();
const distinct = (found) => new Set(found.map(({ trace }) => trace.summary.trace_id)).size;

/** Null if nothing is known, not zero. */
const wasted = (found) => sum(found, ({ finding }) => finding.wasted_cost);

const exampleOf = ({ trace: { summary }, finding: { span_ids, explanation, reason } }) => ({
  trace_id: summary.trace_id,
  name: summary.name || null,
  timestamp: summary.start_time,
  span_ids,
  explanation,
  reason,
});

function summaryOf(project, params) {
  const { traces: inRange, from, to } = scope(project, params);
  // The mock server holds 30 days: what was before a longer half of it is unknown.
  const before = new URLSearchParams(params);
  const start = time(params.get('from'), 0);
  before.set('from', iso(start - (to - from)));
  before.set('to', iso(start));
  const earlier = to - from > 15 * 86_400_000 ? null : listed(scope(project, before).traces);
  const found = listed(inRange);
  const kinds = [...groupBy(found, ({ finding }) => finding.kind)].map(([kind, members]) => ({
    detector: 'signal',
    kind,
    severity: members[0].finding.severity,
    findings: members.length,
    traces: distinct(members),
    previous_traces: earlier && distinct(earlier.filter(({ finding }) => finding.kind === kind)),
    wasted_cost: wasted(members),
    trend: trendOf(members, from, to),
    examples: members.slice(0, 3).map(exampleOf),
  }));
  return {
    kinds,
    wasted_cost: found.length > 0 ? wasted(found) : 0,
    traces_with_findings: distinct(found),
    unsearched_traces: inRange.filter((trace) => !isSearched(trace)).length,
  };
}

export function findingAnswer(project, which, params) {
  if (which === 'summary') return summaryOf(project, params);
  const [kind, detector] = [params.get('kind'), params.get('detector')];
  if (kind && !KINDS.some(([name]) => name === kind)) fail(400, `"${kind}" is not a kind of finding`);
  const isAsked = ({ finding }) => finding.kind === (kind ?? finding.kind) && finding.detector === (detector ?? finding.detector);
  const found = listed(scope(project, params).traces).filter(isAsked);
  const rows = found.map(({ trace: { summary }, finding }) => ({
    ...finding,
    trace_id: summary.trace_id,
    timestamp: summary.start_time,
    trace_name: summary.name || null,
    session_id: summary.session_id,
  }));
  const { findings, next_cursor } = page(rows, 'findings', params);
  return { findings, next_cursor };
}

/** Number of traces by kind of finding. */
export function findingFacet(inRange) {
  const found = listed(inRange);
  return [...groupBy(found, ({ finding }) => finding.kind)].map(([value, members]) => ({ value, count: distinct(members) }));
}
