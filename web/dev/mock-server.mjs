// The API in the shapes of the query contract, with made-up data: `npm run mock`, then `npm run dev`.
import http from 'node:http';
import { auditAnswer } from './audit.mjs';
import { iso, makeTrace, START } from './data.mjs';
import { breakdown, fail, FIELDS, groupBy, page, rowOf, runsOf, scope, series, sorted, sum, traces } from './queries.mjs';
import { evaluationJobs, evaluatorAnswer } from './evaluators.mjs';
import { findingAnswer, findingFacet, findingsOf } from './findings.mjs';
import { addLines, logsOf, projectLogs, spanless, spanlessTrace } from './logs.mjs';
import { definitionAnswer, scoreAnswer, scoreSeries, scoresOfTrace } from './scores.mjs';
import { metrics, metricSeries } from './signals.mjs';
import { ownPrices, repriced, repriceJob, unpriced } from './prices.mjs';
import { detail, hints, KEY, outcomes } from './records.mjs';
import { errorEvent, issue, issueGroups, issues, issueTags, mergeIssues, splitIssue } from './issues.mjs';
import {
  account,
  accountAnswer,
  bill,
  createToken,
  deletions,
  endSession,
  importBill,
  memberAnswer,
  shareAnswer,
  receipt,
  revokeToken,
  sessions,
  tokens,
} from './account.mjs';

const port = Number(process.env.PORT ?? 8119);
const project = (id, name, first) => ({
  id,
  name,
  demo: false,
  dsn: `http://${KEY}@127.0.0.1:${port}/${id}`,
  retention_days: 90,
  retention: { environments: {}, message_days: null, flagged_days: null },
  currency: id === 1 ? { code: 'JPY', rate: 150 } : null,
  prefer_client_cost: false,
  estimate_usage: true,
  hide_messages: 'nobody',
  messages_hidden: false,
  disabled: false,
  created_at: iso(START - 40 * 86_400_000),
  first_span_at: first,
});
const projects = [project(1, 'tabi-desk', traces[0].summary.start_time), project(2, 'new-project', null)];
const aForward = {
  id: 1,
  type: 'sentry',
  url: 'https://o1.ingest.sentry.io/42',
  has_key: true,
  enabled: true,
  queued: 0,
  queued_bytes: 0,
  delivered: 18_204,
  failed: 0,
  last_error: null,
  last_error_at: null,
  created_at: '2026-11-01T08:00:00.000000Z',
};
let mapping = {
  text: '',
  rules: 0,
  fields: [
    { name: 'request_model', value_type: 'text', units: ['plain'] },
    { name: 'client_cost', value_type: 'amount', units: ['plain', 'cent', 'mill', 'micro_usd', 'nano_usd'] },
  ],
};

/** What a test of mapping rules answers: one rule that makes the span a call. */
const mappingTrial = ({ text }) => ({
  rules: ['Relay calls'],
  attributes: [{ rule: 'Relay calls', attribute: 'relay.charge', field: 'client_cost', problem: 'missing' }],
  changes: [{ field: 'kind', before: '"other"', after: '"llm"' }],
  fixture: {
    rules: text,
    span: { name: 'relay chat', op: '', origin: null, failed: false, start_us: 0, duration_us: 1, attributes: {} },
    expected: { kind: 'llm' },
  },
});

const forwards = [
  aForward,
  {
    ...aForward,
    id: 2,
    type: 'otlp',
    url: 'https://collector.internal.example:4318',
    queued: 3120,
    queued_bytes: 41_000_000,
    delivered: 2210,
    failed: 2,
    last_error: 'HTTP 503',
    last_error_at: new Date().toISOString(),
  },
];
const unlimited = { disabled: false, expires_at: null, items_per_minute: null, bytes_per_day: null, allowed_origins: [], bytes_today: 0 };
const keys = [
  {
    ...unlimited,
    id: 1,
    public_key: KEY,
    name: 'Default',
    items_per_minute: 100_000,
    allowed_origins: ['https://*.example.com'],
    bytes_today: 48_200_000,
    created_at: iso(START - 40 * 86_400_000),
    last_used_at: iso(START - 9_000),
  },
];
let signedIn = true;

const streams = new Set();
const tell = (change) => streams.forEach((stream) => stream.write(`event: change\ndata: ${JSON.stringify(change)}\n\n`));
function arrive(trace) {
  traces.push(trace);
  tell({ traces: [trace.summary.trace_id], spans: trace.spans.length, errors: trace.errors.length, logs: addLines(trace) });
}
if (!process.env.STILL) {
  setInterval(() => arrive(makeTrace(Date.now() - 3000)), 40_000);
  setInterval(() => tell({ traces: [], spans: 0, errors: 0, logs: addLines() }), 7_000);
}

/** The mock server has no alerts. */
const EMPTY_ALERTS = {
  rules: { rules: [] },
  budgets: { budgets: [] },
  incidents: { incidents: [], open: 0, next_before: null },
  targets: { targets: [] },
  deliveries: { deliveries: [], next_cursor: null },
};

const findTrace = (id) =>
  traces.find(({ summary }) => summary.trace_id === id) ?? fail(404, 'trace not found', 'It may be older than the retention period.');

/** A trace of which no span has arrived. */
const findSpanless = (id) =>
  traces.some(({ summary }) => summary.trace_id === id) ? undefined : spanless.find(({ trace_id: one }) => one === id);

const issueOrEvent = (found, event) =>
  event ? (found.events.find(({ event_id: id }) => id === event) ?? fail(404, 'No such event')) : found;

const change = (project, { retention = project.retention, ...changes }) =>
  Object.assign(project, changes, { retention: { environments: {}, message_days: null, flagged_days: null, ...retention } });

/** 201 for everything that is created, 202 for a job. */
const statusOf = (method, path, value) => {
  if (value === null) return 204;
  if (method !== 'POST' || /\/(preview|merge|split)$/.test(path)) return 200;
  if (path.endsWith('/backfill')) return 202;
  if (path.endsWith('/reprice')) return 'state' in value ? 202 : 200;
  return 201;
};

/** Requests to the keys of a project. */
function keyAnswer(method, id, isRotation, body) {
  const at = keys.findIndex(({ id: own }) => own === id);
  const created = (draft) => {
    const used = { created_at: iso(Date.now()), last_used_at: null };
    keys.push({ ...unlimited, ...draft, ...used, id: keys.length + 1, public_key: KEY.split('').reverse().join('') });
    return keys.at(-1);
  };
  if (isRotation) {
    keys[at] = { ...keys[at], expires_at: iso(Date.now() + 86_400_000) };
    const { items_per_minute, bytes_per_day, allowed_origins, name } = keys[at];
    return { key: created({ name, items_per_minute, bytes_per_day, allowed_origins }), old_key: keys[at] };
  }
  if (method === 'PATCH') return Object.assign(keys[at], body);
  if (method === 'DELETE') return (keys.splice(at, 1), null);
  return method === 'POST' ? created({ name: body.name }) : { keys };
}

function answer(method, path, params, body) {
  const [, , , what, id, name, one, , two] = path.split('/');
  const number = Number(id);
  if (what === 'session') {
    signedIn = method === 'POST' ? ![body?.token, body?.password].includes('bad') || fail(401, 'That is not valid') : false;
    return null;
  }
  if (what === 'sign-in') return { passwords: true, openid_connect: { label: '' } };
  if (what === 'password') {
    signedIn = body?.token !== 'bad' || fail(401, 'That link is not valid');
    return null;
  }
  if (!signedIn) fail(401, 'Sign in first', 'Run hinomi login');
  if (what === 'me' && id === 'password') return null;
  if (what === 'accounts') return accountAnswer(method, number, name === 'link', body);
  if (what === 'me') return { version: '0.1.0', public_url: `http://127.0.0.1:${port}`, account, role: 'owner', project_roles: {}, projects };
  if (what === 'system') {
    return {
      version: '0.1.0',
      uptime_s: Math.round(process.uptime()) + 93_000,
      data_dir: '/var/lib/hinomi',
      disk: { segments_bytes: 482_300_000, log_bytes: 8_100_000, free_bytes: 91_000_000_000, reserve_bytes: 1_000_000_000 },
      spans: { stored: 1_284_200, buffered: 412 },
      segments: 37,
      memory_bytes: 96_000_000,
      evicted_calls: 0,
      memory_limit_bytes: 2_000_000_000,
      retention_days: 90,
      oldest: traces[0].summary.start_time,
      refused: outcomes(2).filter(({ outcome }) => outcome === 'refused'),
      problems: [],
    };
  }
  if (what === 'audit') return auditAnswer(params);
  if (what === 'deletions') return { deletions };
  if (what === 'tokens') return method === 'DELETE' ? revokeToken(number) : method === 'POST' ? createToken(body) : { tokens };
  if (what === 'sessions') return method === 'DELETE' ? endSession(number) : { sessions };
  if (what === 'jobs' && params.get('kind') === 'evaluate') return evaluationJobs();
  if (what === 'jobs') return id ? repriceJob(method) : { jobs: [repriceJob(method)].filter(Boolean), next_cursor: null };
  if (what !== 'projects') fail(404, 'Nothing here');
  if (!id) {
    if (method === 'GET') return { projects };
    projects.push(project(projects.length + 1, body.name, null));
    return projects.at(-1);
  }
  const here = projects.find(({ id: own }) => own === number) ?? fail(404, 'No such project');
  if (!name) return method === 'PATCH' ? change(here, body) : here;
  if (name === 'forwards') {
    if (method === 'POST' || method === 'PUT') {
      const { key, url, ...draft } = body;
      const at = forwards.findIndex(({ id: own }) => own === Number(one));
      const stored = at < 0 ? { ...aForward, id: forwards.length + 1 } : forwards[at];
      const saved = { ...stored, ...draft, url: url.replace(/\/\/[^/@]*@/, '//'), has_key: stored.has_key || key !== undefined };
      forwards.splice(at < 0 ? forwards.length : at, 1, saved);
      return saved;
    }
    const at = forwards.findIndex(({ id: own }) => own === Number(one));
    if (method === 'DELETE') return (forwards.splice(at, 1), null);
    return one ? (forwards[at] ?? fail(404, 'No such target')) : { forwards };
  }
  if (name === 'mapping') {
    if (one === 'preview') return mappingTrial(body);
    if (method === 'PUT') mapping = { ...mapping, text: body.text, rules: body.text.split('[[rule]]').length - 1 };
    return mapping;
  }
  if (name === 'keys') return keyAnswer(method, Number(one), path.endsWith('/rotate'), body);
  if (name === 'metrics') return one ? metricSeries(params) : { metrics: number === 1 ? metrics : [] };
  if (name === 'prices' && one === 'unpriced') return number === 1 ? { models: unpriced, count: unpriced.length } : { models: [], count: 0 };
  if (name === 'prices') return ownPrices(method, Number(one), body);
  if (name === 'reprice') return body.dry_run ? repriced(true) : repriceJob(method, body);
  if (name === 'hints') return { hints: hints() };
  if (name === 'outcomes') return { outcomes: outcomes(number) };
  if (name === 'logs') return projectLogs(number, params);
  if (name === 'score-definitions') return definitionAnswer(method, one, body);
  if (name === 'evaluators') return evaluatorAnswer(method, path, one, body);
  if (name === 'scores') return scoreAnswer(number, method, one, body);
  if (name === 'findings') return findingAnswer(number, one, params);
  if (name === 'series' && params.get('measure') === 'score') return scoreSeries();
  if (name === 'series') return series(number, params);
  if (name === 'breakdown') return breakdown(number, params);
  if (name === 'issues' && path.endsWith('/tags')) return issueTags(number, Number(one), params);
  if (name === 'issues' && path.endsWith('/groups')) return issueGroups(Number(one));
  if (name === 'issues' && path.endsWith('/merge')) return mergeIssues(Number(one), body);
  if (name === 'issues' && path.endsWith('/split')) return splitIssue(Number(one), body);
  if (name === 'issues')
    return one
      ? issueOrEvent(issue(number, Number(one), params), two)
      : page(sorted(issues(number, params), params.get('sort') ?? '-last_seen'), 'issues', params);
  if (name === 'traces' && path.endsWith('/logs')) {
    return { logs: findSpanless(one)?.lines ?? logsOf(findTrace(one)), next_cursor: null };
  }
  if (name === 'traces' && path.endsWith('/search')) {
    const found = findTrace(one);
    const text = params.get('text').toLowerCase();
    const texts = (span) => [span.name, span.input_preview, span.output_preview].join(' ').toLowerCase();
    return { span_ids: found.spans.filter((span) => texts(span).includes(text)).map(({ span_id: span }) => span) };
  }
  if (name === 'traces' && path.endsWith('/pin')) {
    findTrace(one).pinned = method === 'PUT';
    return null;
  }
  if (name === 'traces' && two) return detail(one, two);
  if (name === 'traces' && one && method === 'GET' && findSpanless(one)) return spanlessTrace(findSpanless(one));
  if (name === 'traces' && one) {
    const found = findTrace(one);
    if (method === 'DELETE') return receipt(...traces.splice(traces.indexOf(found), 1));
    return {
      trace: { ...found.summary, findings: [] },
      spans: found.spans,
      errors: found.errors.map(errorEvent),
      scores: scoresOfTrace(found.summary.trace_id),
      score_count: scoresOfTrace(found.summary.trace_id).length,
      findings: findingsOf(found),
      wasted_cost: findingsOf(found) && sum(findingsOf(found), ({ wasted_cost: usd }) => usd),
      hints: [],
      pinned: found.pinned ?? false,
      log_count: logsOf(found).length,
    };
  }
  if (name === 'members') return memberAnswer(method, Number(one), body);
  if (name === 'shares') return shareAnswer(method, Number(one), body);
  if (name === 'bill') return method === 'POST' ? importBill(params.get('name')) : bill();
  if (name === 'alerts' && method === 'GET') return EMPTY_ALERTS[one] ?? fail(404, 'Nothing here');
  const found = scope(number, params);
  if (name === 'traces')
    return page(
      sorted(
        found.traces.map((trace) => ({ ...trace.summary, findings: findingsOf(trace) ?? [], wasted_cost: findingsOf(trace) && sum(findingsOf(trace), ({ wasted_cost: usd }) => usd) })),
        params.get('sort') ?? undefined,
      ),
      'traces',
      params,
    );
  if (name === 'spans') return page(sorted(found.spans, params.get('sort') ?? undefined), 'spans', params);
  if (name === 'facets') {
    const get = FIELDS[params.get('field')] ?? (() => null);
    const isFinding = params.get('field') === 'finding';
    const counts = isFinding ? findingFacet(found.traces) : [
      ...groupBy(
        found.spans.filter((s) => get(s) !== null),
        get,
      ),
    ].map(([value, list]) => ({ value, count: list.length }));
    return {
      values: counts
        .filter(({ value }) => value.startsWith(params.get('prefix') ?? ''))
        .sort((a, b) => b.count - a.count)
        .slice(0, Number(params.get('limit') ?? 20)),
    };
  }
  if (name === 'summary') {
    const row = rowOf(found.calls);
    const runs = runsOf(found.spans);
    return {
      ...row,
      spans: found.spans.length,
      traces: found.traces.length,
      errors: sum(found.traces, ({ errors }) => errors.length),
      runs: runs.length,
      failed_runs: runs.filter(({ status }) => status === 'error').length,
      new_input_tokens: row.input_tokens - row.cache_read_tokens,
      calls_without_usage: number === 1 ? 3 : 0,
      unpriced_models: number === 1 ? ['swallow-70b-instruct'] : [],
      unpriced_model_count: number === 1 ? 1 : 0,
      estimated_input_tokens: 0,
      estimated_output_tokens: 0,
      users: new Set(found.spans.map(({ user_id: user }) => user)).size,
    };
  }
  return fail(404, 'Nothing here');
}

/** A picture of one pixel. */
const SAMPLE_PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg==',
  'base64',
);

const server = http
  .createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const send = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(value === null ? '' : JSON.stringify(value));
    };
    if (/^\/api\/v1\/projects\/\d+\/media\/[\w-]+$/.test(url.pathname) && signedIn) {
      response.writeHead(200, { 'content-type': 'image/png' });
      response.end(SAMPLE_PICTURE);
      return;
    }
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
      const isJson = /^\s*[{[]/.test(text);
      const value = answer(request.method, url.pathname, url.searchParams, isJson ? JSON.parse(text) : undefined);
      send(statusOf(request.method, url.pathname, value), value);
    } catch (error) {
      send(error.status ?? 500, { error: { code: 'mock', message: error.message, hint: error.hint ?? null } });
    }
  })
  .listen(port, '127.0.0.1', () => console.log(`mock API on http://127.0.0.1:${server.address().port}`));
