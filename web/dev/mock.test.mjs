// @vitest-environment node
// Checks the answers of the mock server against docs/openapi.json, for every operation that the page uses.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { answerChecker } from '../openapi/answers.mjs';
import { operationsOf } from '../openapi/document.mjs';

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));
const problems = answerChecker(document);

const API = '/api/v1';
const PROJECT = `${API}/projects/{project}`;
const ALERTS = `${PROJECT}/alerts`;

/** Operations that the mock server does not support: the live stream, downloads, and alerts, whose lists are always empty. */
const NOT_MOCKED = [
  `get ${PROJECT}/live`,
  `get ${PROJECT}/export`,
  // Bytes, which the page shows without a query; there is a picture.
  `get ${PROJECT}/media/{media_id}`,
  // What a share link opens, which is not on the pages of a project.
  ...['', '/spans/{span}', '/logs', '/media/{media_id}'].map((part) => `get ${API}/share/{token}${part}`),
  `get ${ALERTS}/incidents/{incident}`,
  `get ${ALERTS}/incidents/{incident}/chart`,
  ...['rules', 'budgets'].flatMap((what) => [
    `post ${ALERTS}/${what}`,
    `put ${ALERTS}/${what}/{id}`,
    `delete ${ALERTS}/${what}/{id}`,
    `post ${ALERTS}/${what}/{id}/mute`,
    `delete ${ALERTS}/${what}/{id}/mute`,
  ]),
  `post ${ALERTS}/preview`,
  `post ${ALERTS}/targets`,
  `put ${ALERTS}/targets/{target}`,
  `delete ${ALERTS}/targets/{target}`,
  `post ${ALERTS}/targets/{target}/test`,
  ...['acknowledge', 'resolve', 'notes', 'snooze'].map((deed) => `post ${ALERTS}/incidents/{incident}/${deed}`),
  `delete ${ALERTS}/incidents/{incident}/snooze`,
];

// Hundreds of requests take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const asked = new Set();
let server;
let origin;
beforeAll(async () => {
  server = spawn(process.execPath, [fileURLToPath(new URL('mock-server.mjs', import.meta.url))], {
    env: { ...process.env, PORT: '0', STILL: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(server.stdout, 'data');
  origin = /http:\S+/.exec(String(line))[0];
});
afterAll(() => server.kill());

/** Sends a request and checks the answer. `path` has the values of the path parameters. */
async function ask(method, path, { path: named = {}, query = {}, body } = {}) {
  asked.add(`${method} ${path}`);
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(named[name] ?? (name === 'project' ? 1 : fail(path, name))));
  const response = await fetch(`${origin}${filled}?${new URLSearchParams(query)}`, {
    method: method.toUpperCase(),
    // A connection that is kept open may be closed by the server just as the next request is sent.
    headers: { connection: 'close' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : undefined;
  expect(response.ok, `${method} ${filled}: ${response.status} ${text.slice(0, 200)}`).toBe(true);
  expect(problems(method, path, response.status, answer)).toEqual([]);
  return answer;
}

function fail(path, name) {
  throw new Error(`${path} needs ${name}`);
}

test('account, tokens and system', async () => {
  await ask('get', `${API}/me`);
  await ask('get', `${API}/system`);
  await ask('get', `${API}/deletions`);
  await ask('post', `${API}/tokens`, { body: { name: 'ci', role: 'viewer', expires_in: '30d' } });
  const { tokens } = await ask('get', `${API}/tokens`);
  await ask('delete', `${API}/tokens/{token}`, { path: { token: tokens[0].id } });
  const { sessions } = await ask('get', `${API}/sessions`);
  await ask('delete', `${API}/sessions/{session}`, { path: { session: sessions.find(({ current }) => !current).id } });
  await ask('put', `${API}/me/password`, { body: { current_password: '', password: 'correct horse' } });
  await ask('get', `${API}/accounts`);
  const { account } = await ask('post', `${API}/accounts`, { body: { email: 'new@example.com', role: 'viewer' } });
  await ask('patch', `${API}/accounts/{account}`, { path: { account: account.id }, body: { deactivated: true } });
  await ask('post', `${API}/accounts/{account}/link`, { path: { account: account.id } });
  await ask('get', `${PROJECT}/members`);
  const { account_id: member } = await ask('post', `${PROJECT}/members`, { body: { email: 'other@example.com', role: 'viewer' } });
  await ask('put', `${PROJECT}/members/{account}`, { path: { account: member }, body: { role: 'member' } });
  await ask('delete', `${PROJECT}/members/{account}`, { path: { account: member } });
  await ask('get', `${API}/sign-in`);
  const { id: share } = await ask('post', `${PROJECT}/shares`, { body: { target: 'trace', id: '1', messages: false, expires_in: '7d' } });
  await ask('get', `${PROJECT}/shares`, { query: { trace: '1' } });
  await ask('delete', `${PROJECT}/shares/{share}`, { path: { share } });
  await ask('delete', `${API}/session`);
  await ask('post', `${API}/session`, { body: { token: 'good' } });
  await ask('post', `${API}/session`, { body: { email: 'ann@example.com', password: 'correct horse' } });
  await ask('post', `${API}/password`, { body: { token: 'good', password: 'correct horse' } });
});

test('the audit log', async () => {
  const query = { from: '-30d', to: 'now', limit: 100 };
  const { entries, next_cursor: cursor } = await ask('get', `${API}/audit`, { query });
  const { entries: next } = await ask('get', `${API}/audit`, { query: { ...query, cursor } });
  expect(next[0].sequence).toBe(entries.at(-1).sequence - 1);
  const { entries: denied } = await ask('get', `${API}/audit`, { query: { ...query, action: 'keys.delete', account: 3, project: 1 } });
  expect(new Set(denied.map(({ action }) => action))).toEqual(new Set(['keys.delete.denied']));
});

test('forwards', async () => {
  await ask('get', `${PROJECT}/forwards`);
  const draft = { type: 'sentry', url: 'https://k@sentry.example/1', enabled: true };
  const { id } = await ask('post', `${PROJECT}/forwards`, { body: draft });
  await ask('put', `${PROJECT}/forwards/{forward}`, { path: { forward: id }, body: { ...draft, enabled: false } });
  await ask('delete', `${PROJECT}/forwards/{forward}`, { path: { forward: id } });
});

test('mapping rules', async () => {
  await ask('get', `${PROJECT}/mapping`);
  await ask('put', `${PROJECT}/mapping`, { body: { text: '[[rule]]' } });
  await ask('post', `${PROJECT}/mapping/preview`, { body: { text: '[[rule]]', trace_id: '0'.repeat(32), span_id: '0'.repeat(16) } });
});

test('projects and keys', async () => {
  await ask('post', `${API}/projects`, { body: { name: 'New' } });
  await ask('patch', PROJECT, { path: { project: 2 }, body: { name: 'Other', retention: { environments: { production: 30 } } } });
  const { id } = await ask('post', `${PROJECT}/keys`, { body: { name: 'New' } });
  await ask('get', `${PROJECT}/keys`);
  await ask('patch', `${PROJECT}/keys/{key}`, { path: { key: id }, body: { items_per_minute: 100 } });
  await ask('post', `${PROJECT}/keys/{key}/rotate`, { path: { key: id }, body: { old_key_expires_in: '7d' } });
  await ask('delete', `${PROJECT}/keys/{key}`, { path: { key: id } });
});

const RANGE = { from: '-7d', to: 'now' };

test.each([1, 2])('sums of project %d', async (project) => {
  const path = { project };
  await ask('get', `${PROJECT}/summary`, { path, query: RANGE });
  const series = { ...RANGE, bucket: '6h' };
  await ask('get', `${PROJECT}/series`, { path, query: { ...series, measure: 'calls,failed,errors,cost,duration_p95,runs,spans' } });
  await ask('get', `${PROJECT}/series`, { path, query: { ...series, measure: 'cost,input_tokens', group_by: 'model' } });
  for (const by of ['model', 'pipeline', 'user', 'tool']) await ask('get', `${PROJECT}/breakdown`, { path, query: { ...RANGE, by } });
  for (const field of ['model', 'status']) await ask('get', `${PROJECT}/facets`, { path, query: { ...RANGE, field } });
  await ask('get', `${PROJECT}/outcomes`, { path, query: RANGE });
  await ask('get', `${PROJECT}/hints`, { path });
});

test('lists, traces and spans', async () => {
  await ask('get', `${PROJECT}/spans`, { query: { ...RANGE, limit: 500 } });
  await ask('get', `${PROJECT}/traces`, { query: { ...RANGE, q: 'nothing like this' } });
  const { traces } = await ask('get', `${PROJECT}/traces`, { query: { ...RANGE, limit: 500 } });
  for (const { trace_id: trace } of traces.slice(0, 20)) {
    const { spans } = await ask('get', `${PROJECT}/traces/{trace}`, { path: { trace } });
    for (const { span_id: span } of spans.slice(0, 30)) await ask('get', `${PROJECT}/traces/{trace}/spans/{span}`, { path: { trace, span } });
    await ask('get', `${PROJECT}/traces/{trace}/logs`, { path: { trace } });
  }
  const path = { trace: traces[0].trace_id };
  await ask('get', `${PROJECT}/traces/{trace}/search`, { path, query: { text: 'a' } });
  await ask('put', `${PROJECT}/traces/{trace}/pin`, { path });
  await ask('delete', `${PROJECT}/traces/{trace}/pin`, { path });
  await ask('delete', `${PROJECT}/traces/{trace}`, { path });
});

test('log lines, and a trace without spans', async () => {
  await ask('get', `${PROJECT}/logs`, { path: { project: 2 }, query: RANGE });
  const { logs, next_cursor: cursor } = await ask('get', `${PROJECT}/logs`, { query: { ...RANGE, limit: 200 } });
  expect(logs.map(({ time }) => time)).toEqual(logs.map(({ time }) => time).toSorted().reverse());
  const next = await ask('get', `${PROJECT}/logs`, { query: { ...RANGE, limit: 200, cursor } });
  expect(next.logs.every(({ log_id: id }) => !logs.some(({ log_id: other }) => other === id))).toBe(true);
  const { logs: severe } = await ask('get', `${PROJECT}/logs`, { query: { ...RANGE, q: 'level:error,fatal -attr.attempt:*' } });
  expect(new Set(severe.map(({ level }) => level))).toEqual(new Set(['error', 'fatal']));
  const { logs: booked } = await ask('get', `${PROJECT}/logs`, { query: { ...RANGE, q: '"booking started"' } });
  const path = { trace: booked[0].trace_id };
  const { spans, errors, log_count: count } = await ask('get', `${PROJECT}/traces/{trace}`, { path });
  expect([spans.length, errors.length > 0]).toEqual([0, true]);
  const { logs: lines } = await ask('get', `${PROJECT}/traces/{trace}/logs`, { path });
  expect(lines.length).toBe(count);
});

test('issues', async () => {
  const { issues } = await ask('get', `${PROJECT}/issues`, { query: RANGE });
  for (const { issue_id: issue } of issues) {
    const { events } = await ask('get', `${PROJECT}/issues/{issue}`, { path: { issue }, query: RANGE });
    await ask('get', `${PROJECT}/issues/{issue}/events/{event}`, { path: { issue, event: events[0].event_id } });
    await ask('get', `${PROJECT}/issues/{issue}/tags`, { path: { issue }, query: RANGE });
    await ask('get', `${PROJECT}/issues/{issue}/groups`, { path: { issue } });
  }
});

test('merged issues', async () => {
  const { issues } = await ask('get', `${PROJECT}/issues`, { query: RANGE });
  const [issue, other] = issues.map(({ issue_id: id }) => id);
  await ask('post', `${PROJECT}/issues/{issue}/merge`, { path: { issue }, body: { issues: [other] } });
  expect((await ask('get', `${PROJECT}/issues/{issue}`, { path: { issue: other }, query: RANGE })).issue.issue_id).toBe(issue);
  const { groups } = await ask('get', `${PROJECT}/issues/{issue}/groups`, { path: { issue } });
  const group = groups.find(({ issue_id: number }) => number === other).group_id;
  expect(await ask('post', `${PROJECT}/issues/{issue}/split`, { path: { issue }, body: { groups: [group] } })).toEqual({ issue_ids: [other] });
});

test('OpenTelemetry metrics', async () => {
  const { metrics } = await ask('get', `${PROJECT}/metrics`, { query: RANGE });
  for (const { name, unit, kind, measures, attributes } of metrics) {
    const query = { ...RANGE, bucket: '6h', name, unit, kind, measure: measures.join(',') };
    await ask('get', `${PROJECT}/metrics/series`, { query });
    if (attributes[0]) await ask('get', `${PROJECT}/metrics/series`, { query: { ...query, group_by: attributes[0] } });
  }
});

test('scores', async () => {
  const { traces } = await ask('get', `${PROJECT}/traces`, { query: RANGE });
  const score = { trace_id: traces[0].trace_id, name: 'helpful', value: true, source: 'annotation' };
  const { ids } = await ask('post', `${PROJECT}/scores`, { body: score });
  await ask('get', `${PROJECT}/scores/summary`, { query: RANGE });
  await ask('get', `${PROJECT}/series`, { query: { ...RANGE, measure: 'score', name: 'helpful' } });
  const shown = await ask('get', `${PROJECT}/traces/{trace}`, { path: { trace: score.trace_id } });
  expect(shown.scores).toHaveLength(1);
  await ask('delete', `${PROJECT}/scores/{score}`, { path: { score: ids[0] } });
  const draft = { name: 'tone', data_type: 'text', min: null, max: null, categories: [], better: null, bad_from: null, bad_labels: [], description: '' };
  const evaluator = { name: 'polite', type: 'contains', config: { any: ['please'] }, target: 'trace' };
  const { id: created } = await ask('post', `${PROJECT}/evaluators`, { body: { ...evaluator, q: '', sampling: 1, seed: null, daily_budget: null, enabled: true } });
  await ask('get', `${PROJECT}/evaluators`);
  await ask('post', `${PROJECT}/evaluators/preview`, { body: evaluator });
  const ofEvaluator = { path: { evaluator: created } };
  await ask('put', `${PROJECT}/evaluators/{evaluator}`, { ...ofEvaluator, body: { ...evaluator, q: '', sampling: 1, seed: null, daily_budget: null, enabled: false } });
  await ask('post', `${PROJECT}/evaluators/{evaluator}/backfill`, { ...ofEvaluator, body: {} });
  await ask('get', `${API}/jobs`, { query: { project: 1, kind: 'evaluate', limit: 1 } });
  await ask('delete', `${PROJECT}/evaluators/{evaluator}`, ofEvaluator);
  const { id: definition } = await ask('post', `${PROJECT}/score-definitions`, { body: draft });
  await ask('get', `${PROJECT}/score-definitions`);
  await ask('delete', `${PROJECT}/score-definitions/{definition}`, { path: { definition } });
});

test('findings', async () => {
  const query = { from: '-30d', to: 'now' };
  const empty = await ask('get', `${PROJECT}/findings/summary`, { path: { project: 2 }, query });
  expect(empty.kinds).toEqual([]);
  const { kinds, unsearched_traces: unsearched } = await ask('get', `${PROJECT}/findings/summary`, { query });
  expect(kinds.map(({ kind }) => kind)).toHaveLength(13);
  expect(unsearched).toBeGreaterThan(0);
  for (const { kind, findings: n, examples } of kinds) {
    const { findings } = await ask('get', `${PROJECT}/findings`, { query: { ...query, kind, limit: 500 } });
    expect(new Set(findings.map((one) => one.kind))).toEqual(new Set([kind]));
    expect(findings).toHaveLength(n);
    expect(findings[0].trace_id).toBe(examples[0].trace_id);
  }
  const page = await ask('get', `${PROJECT}/findings`, { query: { ...query, limit: 5 } });
  const next = await ask('get', `${PROJECT}/findings`, { query: { ...query, limit: 5, cursor: page.next_cursor } });
  expect(next.findings[0].timestamp <= page.findings[4].timestamp).toBe(true);
  const kindsOf = async (q) => {
    const { traces } = await ask('get', `${PROJECT}/traces`, { query: { ...query, q, limit: 500 } });
    return traces.map(({ findings }) => findings.map(({ kind }) => kind));
  };
  expect((await kindsOf('finding:run_limit')).every((found) => found.includes('run_limit'))).toBe(true);
  expect((await kindsOf('finding:*')).every((found) => found.length > 0)).toBe(true);
  expect((await kindsOf('-finding:*')).every((found) => found.length === 0)).toBe(true);
  const { values } = await ask('get', `${PROJECT}/facets`, { query: { ...query, field: 'finding', select: 'traces' } });
  expect(values.map(({ value }) => value)).toContain('tool_loop');
});

test('prices, repricing and bills', async () => {
  const { id: price } = await ask('post', `${PROJECT}/prices`, { body: { model: 'mine', prices: { input: 1, output: 2 } } });
  await ask('get', `${PROJECT}/prices`);
  await ask('patch', `${PROJECT}/prices/{price}`, { path: { price }, body: { until: '2030-01-01' } });
  await ask('delete', `${PROJECT}/prices/{price}`, { path: { price } });
  await ask('get', `${PROJECT}/prices/unpriced`, { query: RANGE });
  await ask('post', `${PROJECT}/reprice`, { body: { from: null, to: null, dry_run: true } });
  const { id: job } = await ask('post', `${PROJECT}/reprice`, { body: { from: null, to: null, wait: false } });
  await ask('get', `${API}/jobs`, { query: { project: 1, kind: 'reprice', limit: 1 } });
  await ask('delete', `${API}/jobs/{job}`, { path: { job } });
  await ask('post', `${PROJECT}/bill`, { query: { name: 'bill.csv' }, body: 'day,model,cost\n2026-11-01,gpt-4o,1\n' });
  await ask('get', `${PROJECT}/bill`, { query: RANGE });
});

test('alerts', async () => {
  for (const what of ['rules', 'budgets', 'incidents', 'targets', 'deliveries']) await ask('get', `${ALERTS}/${what}`);
});

test('what is not there', async () => {
  const path = `${PROJECT}/traces/{trace}`;
  const response = await fetch(`${origin}${API}/projects/1/traces/${'0'.repeat(32)}`);
  expect(problems('get', path, response.status, await response.json())).toEqual([]);
});

/** Values of the variables that paths in the sources contain. */
const CHOICES = { of: 'traces|spans', what: 'rules|budgets', 'deed.deed': 'acknowledge|resolve' };

/** Operations that the sources of the page name, as `METHOD PATH`. */
function usedByThePage() {
  const root = fileURLToPath(new URL('../src/', import.meta.url));
  const sources = readdirSync(root, { recursive: true })
    .filter((name) => /\.tsx?$/.test(name) && !/\.test\.|\.d\.ts$/.test(name))
    .map((name) => readFileSync(`${root}${name}`, 'utf8'));
  const all = operationsOf(document);
  const used = new Set();
  for (const source of sources) {
    let end = 0;
    for (const { 0: whole, 1: quoted, index } of source.matchAll(/['`](\/api\/v1\/[^'`\n]*)['`]/g)) {
      const before = source.slice(end, index);
      end = index + whole.length;
      const pattern = quoted.replace(/\$\{(.*?)\}|[{}]/g, (found, variable) => (variable ? `(${CHOICES[variable]})` : `\\${found}`));
      const path = new RegExp(`^${pattern}$`);
      // Helpers that take a path send GET.
      const methods = [...before.matchAll(/api\.(get|post|put|patch|delete)\b/g)].map(([, method]) => method);
      const named = all.filter((one) => path.test(one.path) && (methods.length > 0 ? methods : ['get']).includes(one.method));
      for (const one of named) used.add(`${one.method} ${one.path}`);
    }
  }
  return used;
}

test('every operation of the page is tested above or listed as unsupported', () => {
  const used = usedByThePage();
  expect(used.size).toBeGreaterThan(50);
  expect([...used].filter((one) => !asked.has(one) && !NOT_MOCKED.includes(one))).toEqual([]);
  expect([...asked, ...NOT_MOCKED].filter((one) => !used.has(one))).toEqual([]);
});
