// The API in the shapes of the query contract, with made-up data: `npm run mock`, then `npm run dev`.
import http from 'node:http';
import { ARTICLE_MESSAGES, ERRORS, iso, makeTrace, makeTraces, START } from './data.mjs';

const port = Number(process.env.PORT ?? 8119);
const traces = makeTraces();
const KEY = '9f2c61d07be84a35b0c4e7d81f6a2350';
const project = (id, name, first) => ({
  id, name, demo: false, dsn: `http://${KEY}@127.0.0.1:${port}/${id}`, retention_days: 90, currency: id === 1 ? { code: 'JPY', rate: 150 } : null,
  prefer_client_cost: false, disabled: false, created_at: iso(START - 40 * 86_400_000), first_span_at: first,
});
const projects = [project(1, 'tabi-desk', traces[0].summary.start_time), project(2, 'new-project', null)];
const keys = [{ id: 1, public_key: KEY, name: 'Default', disabled: false, created_at: iso(START - 40 * 86_400_000), last_used_at: iso(START - 9_000) }];
let signedIn = true;

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };
function time(text, fallback) {
  if (!text) return fallback;
  if (text === 'now') return Date.now();
  const relative = /^-(\d+)([mhd])$/.exec(text);
  return relative ? Date.now() - Number(relative[1]) * UNITS[relative[2]] : Date.parse(text);
}

const FIELDS = {
  model: (s) => s.model, provider: (s) => s.provider, op: (s) => s.op, kind: (s) => s.kind, status: (s) => s.status, name: (s) => s.name, user: (s) => s.user_id,
  session: (s) => s.session_id, agent: (s) => s.agent, tool: (s) => s.tool, pipeline: (s) => s.pipeline, prompt: (s) => s.prompt, release: (s) => s.release,
  environment: (s) => s.environment, trace: (s) => s.trace_id, span: (s) => s.span_id, cost: (s) => s.cost?.total ?? null, duration: (s) => s.duration_ms,
  input_tokens: (s) => s.usage?.input_tokens ?? null, output_tokens: (s) => s.usage?.output_tokens ?? null,
};

/** Enough of the query language to see the page work: a trace matches when one of its spans does. */
function matcher(q) {
  const terms = [...(q ?? '').matchAll(/(-?)(?:([\w.]+):)?("[^"]*"|\S+)/g)].map(([, not, field, value]) => {
    const bare = value.replace(/^"|"$/g, '');
    if (field && !FIELDS[field] && !/^(tag|attr)\./.test(field)) {
      throw Object.assign(new Error(`There is no field "${field}"`), { status: 400, hint: `Fields: ${Object.keys(FIELDS).join(' ')}` });
    }
    const test = (s) => {
      if (!field) return `${s.input_preview ?? ''} ${s.output_preview ?? ''}`.toLowerCase().includes(bare.toLowerCase());
      const has = FIELDS[field]?.(s) ?? null;
      if (bare === '*') return has !== null;
      const compare = /^([<>]=?)([\d.]+)(ms|s)?$/.exec(bare);
      if (compare) return has !== null && (compare[1][0] === '>' ? has > compare[2] * (compare[3] === 's' ? 1000 : 1) : has < compare[2] * (compare[3] === 's' ? 1000 : 1));
      return bare.split(',').some((one) => (one.endsWith('*') ? String(has ?? '').startsWith(one.slice(0, -1)) : String(has) === one));
    };
    return (s) => test(s) !== (not === '-');
  });
  return (s) => terms.every((term) => term(s));
}

function scope(id, params) {
  if (id !== 1) return { traces: [], spans: [], calls: [], from: Date.now() - 86_400_000, to: Date.now() };
  const from = time(params.get('from'), 0);
  const to = time(params.get('to'), Date.now());
  const match = matcher(params.get('q'));
  const found = traces.filter(({ at, spans }) => at >= from && at < to && spans.some(match));
  const spans = found.flatMap((trace) => trace.spans).filter(match);
  return { traces: found, spans, calls: spans.filter(({ kind }) => kind === 'llm'), from, to };
}

/** Map.groupBy, which Node 20 does not have. */
function groupBy(list, key) {
  const groups = new Map();
  for (const row of list) {
    const members = groups.get(key(row));
    if (members) members.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

const sum = (list, get) => list.reduce((value, row) => value + (get(row) ?? 0), 0);
const quantile = (values, q) => (values.length ? values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] : null);
const percentiles = (calls) => Object.fromEntries([50, 95, 99].map((q) => [`p${q}`, quantile(calls.map((call) => call.duration_ms), q / 100)]));
const money = (calls) => (calls.some(({ cost }) => cost) ? sum(calls, (call) => call.cost?.total) : calls.length ? null : 0);
const runsOf = (spans) => spans.filter(({ kind }) => kind === 'chain');

const MEASURES = {
  calls: (calls) => calls.length, failed: (calls) => calls.filter(({ status }) => status === 'error').length, errors: (calls) => calls.filter(({ status }) => status === 'error').length,
  cost: (calls) => sum(calls, (call) => call.cost?.total), input_tokens: (calls) => sum(calls, (call) => call.usage?.input_tokens),
  output_tokens: (calls) => sum(calls, (call) => call.usage?.output_tokens), cache_read_tokens: (calls) => sum(calls, (call) => call.usage?.cache_read_tokens),
  cache_write_tokens: () => 0, reasoning_tokens: () => 0,
  new_input_tokens: (calls) => sum(calls, (call) => call.usage && call.usage.input_tokens - call.usage.cache_read_tokens),
  duration_p50: (calls) => percentiles(calls).p50, duration_p95: (calls) => percentiles(calls).p95, duration_p99: (calls) => percentiles(calls).p99,
  runs: (_, spans) => runsOf(spans).length, spans: (_, spans) => spans.length,
};
const BY = { ...FIELDS };

function rowOf(calls) {
  return {
    llm_calls: calls.length, failed_llm_calls: MEASURES.failed(calls), input_tokens: MEASURES.input_tokens(calls), output_tokens: MEASURES.output_tokens(calls),
    cost: money(calls), unpriced_calls: calls.filter((call) => call.usage && !call.cost).length, duration_ms: percentiles(calls),
    cache_read_tokens: MEASURES.cache_read_tokens(calls), cache_write_tokens: 0, reasoning_tokens: 0,
  };
}

function series(id, params) {
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
      return { key, points: starts.map((at, slot) => [iso(at), MEASURES[measure](slots[slot].filter(({ kind }) => kind === 'llm'), slots[slot])]) };
    });
  }
  return { bucket, measures };
}

function breakdown(id, params) {
  const { spans, calls, from, to } = scope(id, params);
  const by = BY[params.get('by')];
  const groups = groupBy(calls.filter((call) => by(call) !== null), by);
  const rows = [...groups].map(([key, members]) => {
    const runs = runsOf(spans).filter((run) => by(run) === key);
    const durations = runs.map((run) => run.duration_ms);
    return {
      key, ...rowOf(members), provider: members[0].provider,
      ...(runs.length && { runs: runs.length, failed_runs: runs.filter(({ status }) => status === 'error').length, runs_per_minute: runs.length / ((to - from) / 60_000),
        run_duration_ms: { mean: sum(durations, (ms) => ms) / durations.length, p50: quantile(durations, 0.5), p95: quantile(durations, 0.95) } }),
    };
  });
  return { rows: rows.sort((a, b) => (b.cost ?? -1) - (a.cost ?? -1)).slice(0, Number(params.get('limit') ?? 100)) };
}

function sorted(rows, sort = '-start_time') {
  const field = sort.replace('-', '');
  const sign = sort.startsWith('-') ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [a[field], b[field]];
    if (x === null || y === null) return (x === null) - (y === null);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

function page(rows, name, params) {
  const start = Number(params.get('cursor') ?? 0);
  const limit = Number(params.get('limit') ?? 100);
  return { [name]: rows.slice(start, start + limit), next_cursor: start + limit < rows.length ? String(start + limit) : null };
}

function issues(id, params) {
  const { traces: found, from, to } = scope(id, params);
  const events = found.flatMap(({ errors }) => errors);
  return ERRORS.flatMap(([type, value, culprit], which) => {
    const mine = events.filter((event) => event.issue_id === which + 1);
    if (!mine.length) return [];
    const points = Array.from({ length: 24 }, (_, at) => {
      const start = from + ((to - from) / 24) * at;
      return [iso(start), mine.filter(({ time: when }) => Date.parse(when) >= start && Date.parse(when) < start + (to - from) / 24).length];
    });
    const last = mine.at(-1);
    return [{
      issue_id: which + 1, type, value, culprit, level: 'error', handled: which !== 1, count: mine.length, traces: mine.length, users: new Set(mine.map(({ user_id: user }) => user)).size,
      cost: 0.0042 * mine.length, first_seen: mine[0].time, last_seen: last.time, last_trace_id: last.trace_id, last_span_id: last.span_id, points,
    }];
  });
}

function issue(id, number, params) {
  const found = issues(id, params).find(({ issue_id: one }) => one === number) ?? fail(404, 'No such issue');
  const events = traces.flatMap(({ errors }) => errors).filter(({ issue_id: one }) => one === number).slice(-50).reverse();
  const [file, fn] = [found.culprit.split(' in ')[1], found.culprit.split(' in ')[0]];
  return {
    issue: found,
    events: events.map((event) => ({
      ...event, environment: 'production', release: 'tabi-desk@2.8.1', tags: { region: 'tokyo', queue: 'chat' },
      exceptions: [{ type: 'APIStatusError', value: 'status 429', module: 'openai' }, { type: event.type, value: event.value, module: 'openai' }],
      frames: [
        { function: 'main', module: 'app', filename: 'app.py', lineno: 41, in_app: true, context_line: '    answer(question)', pre_context: ['def main():', '    question = read()'], post_context: ['    log.info("done")'] },
        { function: fn, module: file.replace('.py', '').replace('/', '.'), filename: file, lineno: 88, in_app: true, context_line: '    reply = client.chat.completions.create(model=MODEL, messages=messages)', pre_context: ['@ai_track("support-answer")', 'def answer(question: str) -> str:', '    messages = build(question)'], post_context: ['    return reply.choices[0].message.content'] },
        { function: '_request', module: 'openai._base_client', filename: 'openai/_base_client.py', lineno: 1047, in_app: false, context_line: '            raise self._make_status_error_from_response(err.response) from None', pre_context: ['                )'], post_context: [] },
      ],
      breadcrumbs: [
        { timestamp: event.time, category: 'httplib', level: 'info', message: 'POST https://api.openai.com/v1/chat/completions [429]' },
        { timestamp: event.time, category: 'retry', level: 'warning', message: 'attempt 3 of 3' },
      ],
    })),
  };
}

function detail(trace, spanId) {
  const found = traces.find(({ summary }) => summary.trace_id === trace)?.spans.find(({ span_id: one }) => one === spanId) ?? fail(404, 'No such span');
  const talk = found.kind !== 'llm' ? {} : found.model === 'gpt-3.5-turbo-0125' ? ARTICLE_MESSAGES : {
    input_messages: [{ role: 'system', parts: [{ type: 'text', text: 'You are the help desk of a travel agency. Answer in the language of the question.' }] }, { role: 'user', parts: [{ type: 'text', text: found.input_preview }] }],
    output_messages: [{ role: 'assistant', parts: [{ type: 'text', text: found.output_preview ?? '' }, ...(found.pipeline === 'trip-planner' ? [{ type: 'tool_call', id: 'call_1', name: 'search_places', arguments: '{"area":"金沢","kind":"museum"}' }] : [])] }],
  };
  return {
    ...found, input_messages: [], output_messages: [], ...talk, response_id: 'chatcmpl-9f', finish_reasons: ['stop'], request: { temperature: 0.2 }, tool_definitions: null, links: [],
    attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': found.request_model, 'gen_ai.usage.input_tokens': found.usage?.input_tokens, 'sentry.origin': found.origin, 'sentry.op': found.op },
    reading: [{ field: 'usage.input_tokens', from: 'gen_ai.usage.input_tokens' }, { field: 'provider', from: 'inferred from sentry.origin auto.ai.openai' }],
  };
}

const outcomes = (id) => [
  ...(id === 1 ? [{ outcome: 'accepted', reason: 'stored', category: 'span', key: KEY, quantity: sum(traces, ({ spans }) => spans.length), detail: null, last_at: iso(Date.now() - 4000) },
    { outcome: 'accepted', reason: 'stored', category: 'error', key: KEY, quantity: 61, detail: null, last_at: iso(Date.now() - 90_000) },
    { outcome: 'client_dropped', reason: 'sample_rate', category: 'span', key: KEY, quantity: 312, detail: null, last_at: iso(Date.now() - 60_000) },
    { outcome: 'duplicate', reason: 'same_span', category: 'span', key: KEY, quantity: 18, detail: null, last_at: iso(Date.now() - 600_000) }] : []),
  { outcome: 'refused', reason: 'unknown_key', category: 'span', key: '3b1d00000000000000000000000077e0', quantity: 6, detail: 'The key is well formed, but no project here has it', last_at: iso(Date.now() - 12_000) },
  { outcome: 'dropped', reason: 'unused_item', category: 'session', key: KEY, quantity: 1, detail: null, last_at: iso(Date.now() - 99_000) },
];

function fail(status, message, hint = null) {
  throw Object.assign(new Error(message), { status, hint });
}

const streams = new Set();
function arrive(trace) {
  traces.push(trace);
  const data = { traces: [trace.summary.trace_id], spans: trace.spans.length, errors: trace.errors.length };
  for (const stream of streams) stream.write(`event: change\ndata: ${JSON.stringify(data)}\n\n`);
}
if (!process.env.STILL) setInterval(() => arrive(makeTrace(Date.now() - 3000)), 40_000);

function answer(method, path, params, body) {
  const [, , , what, id, name, one, , two] = path.split('/');
  const number = Number(id);
  if (what === 'session') {
    signedIn = method === 'POST' ? body?.token !== 'bad' || fail(401, 'That token is not valid') : false;
    return null;
  }
  if (!signedIn) fail(401, 'Sign in first', 'Run hinomi login');
  if (what === 'me') return { version: '0.1.0', public_url: `http://127.0.0.1:${port}`, projects };
  if (what === 'system') {
    return { version: '0.1.0', uptime_s: Math.round(process.uptime()) + 93_000, data_dir: '/var/lib/hinomi', disk: { segments_bytes: 482_300_000, log_bytes: 8_100_000, free_bytes: 91_000_000_000 },
      spans: { stored: 1_284_200, buffered: 412 }, segments: 37, memory_bytes: 96_000_000, retention_days: 90, oldest: traces[0].summary.start_time };
  }
  if (what !== 'projects') fail(404, 'Nothing here');
  if (!id) {
    if (method === 'GET') return { projects };
    projects.push(project(projects.length + 1, body.name, null));
    return projects.at(-1);
  }
  const here = projects.find(({ id: own }) => own === number) ?? fail(404, 'No such project');
  if (!name) return method === 'PATCH' ? Object.assign(here, body) : here;
  if (name === 'keys') {
    if (method === 'POST') keys.push({ id: keys.length + 1, public_key: KEY.split('').reverse().join(''), name: body.name, disabled: false, created_at: iso(Date.now()), last_used_at: null });
    if (method === 'DELETE') keys.splice(keys.findIndex(({ id: own }) => own === Number(one)), 1);
    return method === 'GET' ? { keys } : method === 'POST' ? keys.at(-1) : null;
  }
  if (name === 'outcomes') return { outcomes: outcomes(number) };
  if (name === 'series') return series(number, params);
  if (name === 'breakdown') return breakdown(number, params);
  if (name === 'issues') return one ? issue(number, Number(one), params) : page(sorted(issues(number, params), params.get('sort') ?? '-last_seen'), 'issues', params);
  if (name === 'traces' && two) return detail(one, two);
  if (name === 'traces' && one) {
    const found = traces.find(({ summary }) => summary.trace_id === one) ?? fail(404, 'No such trace', 'It may be older than what is kept.');
    return { trace: found.summary, spans: found.spans, errors: found.errors };
  }
  const found = scope(number, params);
  if (name === 'traces') return page(sorted(found.traces.map(({ summary }) => summary), params.get('sort') ?? undefined), 'traces', params);
  if (name === 'spans') return page(sorted(found.spans, params.get('sort') ?? undefined), 'spans', params);
  if (name === 'facets') {
    const get = FIELDS[params.get('field')] ?? (() => null);
    const counts = [...groupBy(found.spans.filter((s) => get(s) !== null), get)].map(([value, list]) => ({ value, count: list.length }));
    return { values: counts.filter(({ value }) => value.startsWith(params.get('prefix') ?? '')).sort((a, b) => b.count - a.count).slice(0, Number(params.get('limit') ?? 20)) };
  }
  if (name === 'summary') {
    const row = rowOf(found.calls);
    const runs = runsOf(found.spans);
    return { ...row, spans: found.spans.length, traces: found.traces.length, errors: sum(found.traces, ({ errors }) => errors.length), runs: runs.length,
      failed_runs: runs.filter(({ status }) => status === 'error').length, new_input_tokens: row.input_tokens - row.cache_read_tokens, calls_without_usage: number === 1 ? 3 : 0,
      unpriced_models: number === 1 ? ['swallow-70b-instruct'] : [], users: new Set(found.spans.map(({ user_id: user }) => user)).size };
  }
  return fail(404, 'Nothing here');
}

http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const send = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(value === null ? '' : JSON.stringify(value));
  };
  if (url.pathname.endsWith('/live') && signedIn) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    streams.add(response);
    request.on('close', () => streams.delete(response));
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (/^\/api\/\d+\/envelope\/$/.test(url.pathname)) {
    const id = Number(url.pathname.split('/')[2]);
    setTimeout(() => {
      projects.find(({ id: own }) => own === id).first_span_at ??= iso(Date.now());
      const { contexts } = JSON.parse(text.split('\n')[2]);
      const trace = makeTrace(Date.now() - 3000);
      trace.summary.trace_id = contexts.trace.trace_id;
      for (const one of trace.spans) one.trace_id = contexts.trace.trace_id;
      arrive(trace);
    }, 300);
    send(200, { id: 'ok' });
    return;
  }
  try {
    const value = answer(request.method, url.pathname, url.searchParams, text ? JSON.parse(text) : undefined);
    send(value === null ? 204 : 200, value);
  } catch (error) {
    send(error.status ?? 500, { error: { code: 'mock', message: error.message, hint: error.hint ?? null } });
  }
}).listen(port, '127.0.0.1', () => console.log(`mock API on http://127.0.0.1:${port}`));
