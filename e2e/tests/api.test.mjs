// The answers of the server match docs/openapi.json, from which the types of the page are generated.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { answerChecker } from '../../web/openapi/answers.mjs';
import { startServer } from '../support.mjs';

const problems = answerChecker(JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')));

const API = '/api/v1';
const PROJECT = `${API}/projects/{project}`;
const ALERTS = `${PROJECT}/alerts`;

let server;
let token;
let project;
before(async () => {
  server = await startServer();
  token = server.command('token', 'create', '--admin');
  server.command('demo', '--days', '1');
  const { projects } = await ask('get', `${API}/me`);
  project = projects.find(({ demo }) => demo).id;
});
after(() => server?.stop());

/** Sends a request and checks the answer. `path` has the values of the path parameters. */
async function ask(method, path, { path: named = {}, query = {}, body } = {}) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(name === 'project' ? project : named[name]));
  const response = await fetch(`${server.url}${filled}?${new URLSearchParams(query)}`, {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${token}`, ...(typeof body === 'object' && { 'content-type': 'application/json' }) },
    body: typeof body === 'object' ? JSON.stringify(body) : body,
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${filled}: ${response.status} ${text}`);
  const answer = text ? JSON.parse(text) : undefined;
  assert.deepEqual(problems(method, path, response.status, answer), []);
  return answer;
}

const RANGE = { from: '-2d', to: 'now' };

test('sums', async () => {
  const series = { ...RANGE, bucket: '1h', measure: 'calls,failed,errors,cost,input_tokens,duration_p95,runs,spans' };
  await ask('get', `${PROJECT}/summary`, { query: RANGE });
  await ask('get', `${PROJECT}/summary`, { query: { ...RANGE, q: 'model:none' } });
  await ask('get', `${PROJECT}/series`, { query: series });
  // More users than lines of a chart.
  await ask('get', `${PROJECT}/series`, { query: { ...series, group_by: 'user' } });
  for (const by of ['model', 'pipeline', 'agent', 'tool']) await ask('get', `${PROJECT}/breakdown`, { query: { ...RANGE, by } });
  await ask('get', `${PROJECT}/facets`, { query: { ...RANGE, field: 'model' } });
  for (const list of ['outcomes', 'hints', 'metrics']) await ask('get', `${PROJECT}/${list}`, { query: RANGE });
});

test('traces, spans and issues', async () => {
  const { traces } = await ask('get', `${PROJECT}/traces`, { query: { ...RANGE, limit: 500 } });
  const { traces: failed } = await ask('get', `${PROJECT}/traces`, { query: { ...RANGE, q: 'status:error', limit: 10 } });
  await ask('get', `${PROJECT}/traces`, { query: { ...RANGE, q: traces[0].user_id } });
  await ask('get', `${PROJECT}/spans`, { query: { ...RANGE, limit: 500 } });
  for (const { trace_id: trace } of [...traces.slice(0, 10), ...failed]) {
    const { spans } = await ask('get', `${PROJECT}/traces/{trace}`, { path: { trace } });
    for (const { span_id: span } of spans.slice(0, 10)) await ask('get', `${PROJECT}/traces/{trace}/spans/{span}`, { path: { trace, span } });
    await ask('get', `${PROJECT}/traces/{trace}/logs`, { path: { trace } });
  }
  const path = { trace: traces[0].trace_id };
  await ask('get', `${PROJECT}/traces/{trace}/search`, { path, query: { text: 'a' } });
  await ask('put', `${PROJECT}/traces/{trace}/pin`, { path });
  await ask('delete', `${PROJECT}/traces/{trace}`, { path });
  const { issues } = await ask('get', `${PROJECT}/issues`, { query: RANGE });
  const issue = issues[0].issue_id;
  const { events } = await ask('get', `${PROJECT}/issues/{issue}`, { path: { issue }, query: RANGE });
  await ask('get', `${PROJECT}/issues/{issue}/events/{event}`, { path: { issue, event: events[0].event_id } });
  await ask('get', `${PROJECT}/issues/{issue}/tags`, { path: { issue }, query: RANGE });
  await ask('post', `${PROJECT}/issues/{issue}/merge`, { path: { issue }, body: { issues: [issues[1].issue_id] } });
  const { groups } = await ask('get', `${PROJECT}/issues/{issue}/groups`, { path: { issue } });
  await ask('post', `${PROJECT}/issues/{issue}/split`, { path: { issue }, body: { groups: [groups.find(({ issue_id: number }) => number !== null).group_id] } });
});

test('projects, keys, prices and bills', async () => {
  for (const list of ['system', 'tokens', 'sessions', 'deletions']) await ask('get', `${API}/${list}`);
  await ask('patch', PROJECT, { body: { currency: { code: 'JPY', rate: 150 }, retention: { environments: { production: 30 } } } });
  const { id: key } = await ask('post', `${PROJECT}/keys`, { body: { name: 'k' } });
  await ask('get', `${PROJECT}/keys`);
  await ask('delete', `${PROJECT}/keys/{key}`, { path: { key } });
  const { id: price } = await ask('post', `${PROJECT}/prices`, { body: { model: 'mine', prices: { input: 1, output: 2 } } });
  await ask('get', `${PROJECT}/prices`);
  await ask('patch', `${PROJECT}/prices/{price}`, { path: { price }, body: { until: '2030-01-01' } });
  await ask('get', `${PROJECT}/prices/unpriced`, { query: RANGE });
  await ask('post', `${PROJECT}/reprice`, { body: { dry_run: true } });
  await ask('post', `${PROJECT}/reprice`, { body: { wait: false } });
  await ask('get', `${API}/jobs`, { query: { project, kind: 'reprice', limit: 1 } });
  const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  await ask('post', `${PROJECT}/bill`, { query: { name: 'bill.csv' }, body: `day,model,cost\n${day},gpt-4o,1\nnone,gpt-4o,1\n` });
  await ask('get', `${PROJECT}/bill`);
});

test('alerts', async () => {
  const rule = { name: 'r', measure: 'calls', window: '30d', warning: 1 };
  const { id } = await ask('post', `${ALERTS}/rules`, { body: rule });
  await ask('post', `${ALERTS}/budgets`, { body: { name: 'b', amount: 0.01, period: 'month', time_zone: 'UTC' } });
  const address = { kind: 'email', host: 'mail.example.org', security: 'tls', from: 'a@example.org', to: ['b@example.org'] };
  await ask('post', `${ALERTS}/targets`, { body: { name: 't', address } });
  await ask('post', `${ALERTS}/preview`, { body: { rule, back: '1d' } });
  let incident;
  for (let tries = 0; !incident && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    ({ incidents: [incident] } = await ask('get', `${ALERTS}/incidents`));
  }
  const path = { incident: incident.id };
  await ask('get', `${ALERTS}/incidents/{incident}`, { path });
  await ask('get', `${ALERTS}/incidents/{incident}/chart`, { path });
  await ask('post', `${ALERTS}/incidents/{incident}/notes`, { path, body: { text: 'x' } });
  await ask('post', `${ALERTS}/incidents/{incident}/acknowledge`, { path, body: {} });
  await ask('post', `${ALERTS}/rules/{id}/mute`, { path: { id }, body: { for: '1h' } });
  for (const list of ['rules', 'budgets', 'targets', 'deliveries']) await ask('get', `${ALERTS}/${list}`);
});
