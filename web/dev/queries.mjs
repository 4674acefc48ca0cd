// Enough of the server's queries to see the page work, over the traces held in memory.
import { hasUsage, iso, makeTraces } from './data.mjs';

export const traces = makeTraces();

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment as the API takes it, in milliseconds since the epoch. */
export function time(text, fallback) {
  if (!text) return fallback;
  if (text === 'now') return Date.now();
  const relative = /^-(\d+)([mhd])$/.exec(text);
  return relative ? Date.now() - Number(relative[1]) * UNITS[relative[2]] : Date.parse(text);
}

export const FIELDS = {
  model: (s) => s.model,
  provider: (s) => s.provider,
  op: (s) => s.op,
  kind: (s) => s.kind,
  status: (s) => s.status,
  name: (s) => s.name,
  user: (s) => s.user_id,
  session: (s) => s.session_id,
  agent: (s) => s.agent,
  tool: (s) => s.tool,
  pipeline: (s) => s.pipeline,
  prompt: (s) => s.prompt,
  release: (s) => s.release,
  environment: (s) => s.environment,
  trace: (s) => s.trace_id,
  span: (s) => s.span_id,
  cost: (s) => s.cost?.total ?? null,
  duration: (s) => s.duration_ms,
  input_tokens: (s) => s.usage.input_tokens,
  output_tokens: (s) => s.usage.output_tokens,
};

/** Set by the module of findings: whether a trace has a finding of one of these kinds or detectors. */
let hasFinding = () => false;
export const setFindingTest = (test) => (hasFinding = test);
const findingTest = (values, trace) => hasFinding(trace, values.split(','));

/** Enough of the query language to see the page work: a trace matches when one of its spans does. */
function matcher(q) {
  const terms = [...(q ?? '').matchAll(/(-?)(?:([\w.]+):)?("[^"]*"|\S+)/g)].map(([, not, field, value]) => {
    const bare = value.replace(/^"|"$/g, '');
    if (field && field !== 'finding' && !FIELDS[field] && !/^(tag|attr)\./.test(field)) {
      throw Object.assign(new Error(`There is no field "${field}"`), { status: 400, hint: `Fields: ${Object.keys(FIELDS).join(' ')}` });
    }
    const test = (s) => {
      if (!field) return `${s.input_preview ?? ''} ${s.output_preview ?? ''}`.toLowerCase().includes(bare.toLowerCase());
      if (field === 'finding') return findingTest(bare, s.trace_id);
      const has = FIELDS[field]?.(s) ?? null;
      if (bare === '*') return has !== null;
      const compare = /^([<>]=?)([\d.]+)(ms|s)?$/.exec(bare);
      if (compare)
        return (
          has !== null &&
          (compare[1][0] === '>' ? has > compare[2] * (compare[3] === 's' ? 1000 : 1) : has < compare[2] * (compare[3] === 's' ? 1000 : 1))
        );
      return bare.split(',').some((one) => (one.endsWith('*') ? String(has ?? '').startsWith(one.slice(0, -1)) : String(has) === one));
    };
    return (s) => test(s) !== (not === '-');
  });
  return (s) => terms.every((term) => term(s));
}

export function scope(id, params) {
  if (id !== 1) return { traces: [], spans: [], calls: [], from: Date.now() - 86_400_000, to: Date.now() };
  const from = time(params.get('from'), 0);
  const to = time(params.get('to'), Date.now());
  const match = matcher(params.get('q'));
  const found = traces.filter(({ at, spans }) => at >= from && at < to && spans.some(match));
  const spans = found.flatMap((trace) => trace.spans).filter(match);
  return { traces: found, spans, calls: spans.filter(({ kind }) => kind === 'llm'), from, to };
}

/** Map.groupBy, which Node 20 does not have. */
export function groupBy(list, key) {
  const groups = new Map();
  for (const row of list) {
    const members = groups.get(key(row));
    if (members) members.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

export const sum = (list, get) => list.reduce((value, row) => value + (get(row) ?? 0), 0);
const quantile = (values, q) =>
  values.length ? values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] : null;
const percentiles = (calls) =>
  Object.fromEntries(
    [50, 95, 99].map((q) => [
      `p${q}`,
      quantile(
        calls.map((call) => call.duration_ms),
        q / 100,
      ),
    ]),
  );
const money = (calls) => (calls.some(({ cost }) => cost) ? sum(calls, (call) => call.cost?.total) : calls.length ? null : 0);
export const runsOf = (spans) => spans.filter(({ kind }) => kind === 'chain');

const MEASURES = {
  calls: (calls) => calls.length,
  failed: (calls) => calls.filter(({ status }) => status === 'error').length,
  errors: (calls) => calls.filter(({ status }) => status === 'error').length,
  cost: (calls) => sum(calls, (call) => call.cost?.total),
  input_tokens: (calls) => sum(calls, (call) => call.usage.input_tokens),
  output_tokens: (calls) => sum(calls, (call) => call.usage.output_tokens),
  cache_read_tokens: (calls) => sum(calls, (call) => call.usage.cache_read_tokens),
  cache_write_tokens: () => 0,
  reasoning_tokens: () => 0,
  new_input_tokens: (calls) => sum(calls, (call) => call.usage.input_tokens - call.usage.cache_read_tokens),
  duration_p50: (calls) => percentiles(calls).p50,
  duration_p95: (calls) => percentiles(calls).p95,
  duration_p99: (calls) => percentiles(calls).p99,
  runs: (_, spans) => runsOf(spans).length,
  spans: (_, spans) => spans.length,
};
const BY = { ...FIELDS };

export function rowOf(calls) {
  return {
    llm_calls: calls.length,
    failed_llm_calls: MEASURES.failed(calls),
    input_tokens: MEASURES.input_tokens(calls),
    output_tokens: MEASURES.output_tokens(calls),
    cost: money(calls),
    estimated_calls: 0,
    estimated_cost: 0,
    unpriced_calls: calls.filter((call) => hasUsage(call) && !call.cost).length,
    duration_ms: percentiles(calls),
    cache_read_tokens: MEASURES.cache_read_tokens(calls),
    cache_write_tokens: 0,
    reasoning_tokens: 0,
  };
}

export function series(id, params) {
  const bucket = params.get('bucket') ?? '1h';
  const width = Number.parseInt(bucket, 10) * UNITS[bucket.at(-1)];
  const { spans, from, to } = scope(id, params);
  const by = BY[params.get('group_by')];
  const starts = [];
  for (let at = Math.floor(from / width) * width; at < to; at += width) starts.push(at);
  const groups = new Map(by ? [] : [[null, []]]);
  for (const s of spans) {
    const key = by ? by(s) : null;
    if (by && key === null) continue;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(s);
  }
  const measures = {};
  for (const measure of params.get('measure').split(',')) {
    measures[measure] = [...groups].map(([key, members]) => {
      const slots = starts.map(() => []);
      for (const s of members) slots[Math.floor((Date.parse(s.start_time) - starts[0]) / width)]?.push(s);
      return {
        key,
        points: starts.map((at, slot) => [
          iso(at),
          MEASURES[measure](
            slots[slot].filter(({ kind }) => kind === 'llm'),
            slots[slot],
          ),
        ]),
      };
    });
  }
  return { bucket, groups: Object.values(measures)[0] ?? [], measures, others: {} };
}

export function breakdown(id, params) {
  const { spans, calls, from, to } = scope(id, params);
  const by = BY[params.get('by')];
  const groups = groupBy(
    calls.filter((call) => by(call) !== null),
    by,
  );
  const rows = [...groups].map(([key, members]) => {
    const runs = runsOf(spans).filter((run) => by(run) === key);
    const durations = runs.map((run) => run.duration_ms);
    return {
      key,
      ...rowOf(members),
      provider: members[0].provider,
      spans: spans.filter((one) => by(one) === key).length,
      runs: runs.length,
      failed_runs: runs.filter(({ status }) => status === 'error').length,
      runs_per_minute: runs.length / ((to - from) / 60_000),
      wasted_cost: null,
      run_duration_ms: {
        mean: runs.length ? sum(durations, (ms) => ms) / durations.length : null,
        p50: quantile(durations, 0.5),
        p95: quantile(durations, 0.95),
      },
    };
  });
  return { rows: rows.sort((a, b) => (b.cost ?? -1) - (a.cost ?? -1)).slice(0, Number(params.get('limit') ?? 100)) };
}

export function sorted(rows, sort = '-start_time') {
  const field = sort.replace('-', '');
  const sign = sort.startsWith('-') ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [a[field], b[field]];
    if (x === null || y === null) return (x === null) - (y === null);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

export function page(rows, name, params) {
  const start = Number(params.get('cursor') ?? 0);
  const limit = Number(params.get('limit') ?? 100);
  return {
    [name]: rows.slice(start, start + limit),
    next_cursor: start + limit < rows.length ? String(start + limit) : null,
    ...(name !== 'issues' && { suggestions: [] }),
  };
}

export function fail(status, message, hint = null) {
  throw Object.assign(new Error(message), { status, hint });
}
