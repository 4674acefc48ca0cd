// Attacks from outside, against a running server: another website, forged headers, private addresses, hostile texts.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

/** Marks that code of a text was executed: each form sets it, or asks another host. */
const HOSTILE = [
  `<img src=x onerror="window.owned=1">`,
  `<script>window.owned=2</script>`,
  `"><svg onload=window.owned=3>`,
  `javascript:window.owned=4`,
  '{{constructor.constructor("window.owned=5")()}}',
  '![p](https://tracker.example/p.png) [a](javascript:window.owned=6)',
  `<iframe srcdoc="<script>parent.owned=7</script>"></iframe><style>@import 'https://tracker.example/c.css'</style>`,
].join(' ');
const TRACE = '5'.padStart(32, '0');

let server, browser, context, page;
before(async () => {
  server = await startServer();
  ({ browser, context, page } = await openBrowser(server));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Serves one page on another port: to a browser the same site, but another origin. */
async function website(html) {
  const site = createHttpServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(html));
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${site.address().port}/`, stop: () => site.closeAllConnections() || site.close() };
}

/** Sends bytes on a connection of their own and returns what comes back. */
function sendRaw(text) {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.setTimeout(3000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk));
    socket.on('error', (error) => (error.code === 'ECONNRESET' ? resolve(answer) : reject(error)));
    socket.on('close', () => resolve(answer));
  });
}

const asOwner = () => context.request.get(`${server.url}/api/v1/me`);

test('another website can neither change nor read anything with the session of a visitor', async () => {
  const before = await server.ask('');
  const target = `${server.url}/api/v1`;
  const site = await website(`<script>
    const tries = [];
    const attempt = (path, options) => tries.push(fetch('${target}' + path, { credentials: 'include', ...options }).then((r) => r.text()).then((text) => 'read ' + text, () => 'refused'));
    for (const mode of ['cors', 'no-cors']) {
      attempt('/projects/1', { mode });
      attempt('/projects', { mode, method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"name":"evil"}' });
      attempt('/session', { mode, method: 'POST', body: '{}' });
    }
    attempt('/projects/1', { method: 'PATCH', headers: { 'content-type': 'application/json', 'x-hinomi-page': '1' }, body: '{"name":"evil"}' });
    attempt('/session', { method: 'DELETE', headers: { 'x-hinomi-page': '1' } });
    attempt('/projects/1/live', {});
    Promise.all(tries).then((results) => (window.results = results));
  </script>
  <form id=form method=post enctype=text/plain action="${target}/projects"><input name='{"name":"evil","x":"' value='"}'></form>
  <iframe id=frame src="${server.url}/p/1"></iframe>`);
  const victim = await context.newPage();
  await victim.goto(site.url);
  const results = await eventually('all attempts ended', () => victim.evaluate(() => window.results));
  // What `no-cors` lets through cannot be read: its text is empty.
  assert.deepEqual([...new Set(results)].sort(), ['read ', 'refused']);
  const framed = victim.frames().find((frame) => frame.parentFrame());
  assert.equal(await framed.evaluate(() => document.querySelector('main') === null).catch(() => true), true, 'the page must not be framed');
  await victim.evaluate(() => document.getElementById('form').submit());
  await victim.waitForURL(`${target}/projects`);
  await victim.getByText('"error"').waitFor();
  await victim.close();
  site.stop();
  assert.deepEqual(await server.ask(''), before);
  const { projects } = await (await fetch(`${server.url}/api/v1/projects`, { headers: { authorization: `Bearer ${server.token}` } })).json();
  assert.deepEqual(projects.map(({ name }) => name).filter((name) => name === 'evil'), []);
  assert.equal((await asOwner()).status(), 200, 'the session still holds');
});

test('a session that an attacker fixed is not the one after signing in', async () => {
  const victim = await browser.newContext();
  const name = (await context.cookies()).find(({ name }) => name.includes('hinomi_session')).name;
  await victim.addCookies([{ name, value: 'a'.repeat(64), url: server.url }]);
  const visit = await victim.newPage();
  await visit.goto(server.signInLink());
  await visit.waitForURL(/\/p\/1/);
  const [cookie] = (await victim.cookies()).filter((one) => one.name === name);
  assert.notEqual(cookie.value, 'a'.repeat(64));
  assert.equal(cookie.httpOnly, true);
  assert.equal(await visit.evaluate(() => document.cookie), '');
  const fixed = await fetch(`${server.url}/api/v1/me`, { headers: { cookie: `${name}=${'a'.repeat(64)}` } });
  assert.equal(fixed.status, 401);
  await victim.close();
});

test('signing in leads to no other host', async () => {
  const member = server.command('user', 'create', 'bo@example.com', '--role', 'viewer');
  const link = /https?:\S+/.exec(member)[0];
  for (const [at, then] of ['//evil.example/', '/\\evil.example', 'https://evil.example', 'javascript:window.owned=8', '/%09/evil.example', '\\\\evil.example'].entries()) {
    const visitor = await browser.newContext();
    const visit = await visitor.newPage();
    if (at === 0) {
      await visit.goto(`${server.url}/set-password${new URL(link).hash}`);
      await visit.getByLabel('New password').fill('correct horse battery');
      await visit.getByRole('button', { name: 'Set password' }).click();
      await visit.waitForURL(/\/p\/1/);
      await visitor.clearCookies();
    }
    await visit.goto(`${server.url}/sign-in?${new URLSearchParams({ then })}`);
    await visit.getByLabel('E-mail address').fill('bo@example.com');
    await visit.getByLabel('Password', { exact: true }).fill('correct horse battery');
    await visit.getByRole('button', { name: 'Sign in' }).first().click();
    await visit.getByRole('navigation').first().waitFor();
    assert.equal(new URL(visit.url()).origin, new URL(server.url).origin, then);
    assert.equal(await visit.evaluate(() => window.owned), undefined);
    await visitor.close();
  }
});

test('forged headers give no access and change no link', async () => {
  const forged = {
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    forwarded: 'for=127.0.0.1;host=evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-user': 'owner',
    'x-original-url': '/healthz',
    'x-rewrite-url': '/healthz',
    'x-http-method-override': 'GET',
  };
  for (const path of ['/api/v1/projects', '/api/v1/me', '/api/v1/system', '/api/v1/audit']) {
    const answer = await fetch(`${server.url}${path}`, { headers: forged });
    assert.equal(answer.status, 401, path);
    assert.doesNotMatch(await answer.text(), /evil\.example/);
  }
  const wrongHost = await sendRaw('GET /sign-in HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
  assert.doesNotMatch(wrongHost, /evil\.example/);
  const keyless = await sendRaw('POST /v1/traces HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
  assert.match(keyless, /^HTTP\/1\.1 401/, 'a name that means another machine needs a key');
});

test('ambiguous requests are not split into two', async () => {
  const host = 'Host: localhost';
  const hidden = 'GET /api/v1/projects HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const ambiguous = {
    'two lengths': `POST /v1/traces HTTP/1.1\r\n${host}\r\nContent-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    'a length with a sign': `POST /v1/traces HTTP/1.1\r\n${host}\r\nContent-Length: +0\r\n\r\n${hidden}`,
    'a space before the colon': `POST /v1/traces HTTP/1.1\r\n${host}\r\nContent-Length : ${hidden.length}\r\n\r\n${hidden}`,
    'a folded header': `POST /v1/traces HTTP/1.1\r\n${host}\r\nX-A: a\r\n Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
    'an unknown transfer coding': `POST /v1/traces HTTP/1.1\r\n${host}\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n${hidden}`,
    'chunked not last': `POST /v1/traces HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    'a chunk size beyond all numbers': `POST /v1/traces HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n${hidden}`,
    'a null byte in a header': `POST /v1/traces HTTP/1.1\r\n${host}\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n${hidden}`,
  };
  for (const [what, bytes] of Object.entries(ambiguous)) {
    const answer = await sendRaw(bytes);
    const answers = answer.match(/^HTTP\/1\.1 \d+/gm) ?? [];
    assert.ok(answers.length <= 1 && !answers.some((one) => one.endsWith(' 200')), `${what}: ${answer.slice(0, 300)}`);
  }
});

test('the server sends nothing to private addresses, however they are written', async () => {
  const hosts = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '0.0.0.0', 'localhost', 'LOCALHOST.', '169.254.169.254', '10.1.2.3', '192.168.0.1', '[fe80::1]', '[fc00::1]', '100.64.0.1', '[64:ff9b::7f00:1]', '[2002:7f00:1::]'];
  let connections = 0;
  const receiver = createHttpServer((_, response) => response.end()).on('connection', () => (connections += 1));
  await new Promise((resolve) => receiver.listen(0, resolve));
  const { port } = receiver.address();
  const { id, key } = server.project('private addresses');
  const change = (path, body) => {
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    return fetch(`${server.url}/api/v1/projects/${id}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  };
  // A name that resolves to such an address is only known when something is sent to it.
  let named = 0;
  for (const host of hosts) {
    const url = `http://${host}:${port}/hook`;
    for (const address of [url, `http://hooks.example@${host}:${port}/`]) {
      const made = await change('/alerts/targets', { name: 'x', address: { kind: 'webhook', url: address } });
      if (made.status === 400) continue;
      named += 1;
      const tested = await (await change(`/alerts/targets/${(await made.json()).id}/test`, {})).json();
      assert.notEqual(tested.state, 'delivered', address);
    }
    const forward = await change('/forwards', { type: 'otlp', url, key: 'a=b' });
    if (forward.status === 201) {
      const at = (before) => `${BigInt(Date.now() - before) * 1_000_000n}`;
      const span = { traceId: randomUUID().replaceAll('-', ''), spanId: '00000000000000a1', name: 'x', startTimeUnixNano: at(2), endTimeUnixNano: at(1) };
      const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
      const headers = { 'content-type': 'application/json', 'x-hinomi-key': key };
      assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers, body })).status, 200);
      const target = (await forward.json()).id;
      await eventually('the attempt failed', async () => (await server.ask('/forwards', id)).forwards.some((one) => one.id === target && (one.failed > 0 || one.last_error)));
      await fetch(`${server.url}/api/v1/projects/${id}/forwards/${target}`, { method: 'DELETE', headers: { authorization: `Bearer ${server.token}` } });
    }
  }
  assert.ok(named > 0 && named < hosts.length, 'some spellings are names, and most are addresses');
  for (const url of ['file:///etc/passwd', 'gopher://example.com/', 'ftp://example.com/', 'http:///hook']) {
    assert.equal((await change('/alerts/targets', { name: 'x', address: { kind: 'webhook', url } })).status, 400, url);
  }
  assert.equal(connections, 0);
  receiver.close();
});

/** A value with the hostile text in each place. */
const attribute = (key, text = HOSTILE) => ({ key, value: { stringValue: text } });

async function sendHostileTexts() {
  const post = async (path, body, type = 'application/json') => {
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers: { 'content-type': type, 'x-hinomi-key': KEY, 'x-sentry-auth': `Sentry sentry_key=${KEY}` }, body });
    assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
  };
  const nanos = (before) => `${BigInt(Date.now() - before) * 1_000_000n}`;
  const names = ['user.id', 'session.id', 'gen_ai.agent.name', 'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.provider.name', 'gen_ai.tool.name', 'gen_ai.tool.description', 'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result', 'gen_ai.conversation.id', 'gen_ai.response.finish_reasons', 'error.type', 'code.function.name', 'deployment.environment.name', 'langfuse.trace.tags', 'server.address'];
  const messages = JSON.stringify([{ role: HOSTILE, parts: [{ type: 'text', content: HOSTILE }, { type: 'uri', modality: 'image', uri: `javascript:window.owned=9` }, { type: 'uri', modality: 'image', uri: 'https://tracker.example/i.png' }] }]);
  const span = (id, operation) => ({
    traceId: TRACE,
    spanId: id,
    name: HOSTILE,
    startTimeUnixNano: nanos(5000),
    endTimeUnixNano: nanos(1000),
    status: { code: 2, message: HOSTILE },
    attributes: [attribute('gen_ai.operation.name', operation), attribute('gen_ai.input.messages', messages), attribute('gen_ai.output.messages', messages), attribute('gen_ai.system_instructions'), attribute('gen_ai.tool.definitions', JSON.stringify([{ name: HOSTILE, description: HOSTILE }])), ...names.map((name) => attribute(name)), attribute(HOSTILE)],
    events: [{ name: 'exception', timeUnixNano: nanos(2000), attributes: [attribute('exception.type'), attribute('exception.message'), attribute('exception.stacktrace')] }, { name: HOSTILE, timeUnixNano: nanos(2000), attributes: [attribute(HOSTILE)] }],
  });
  const spans = ['chat', 'execute_tool', 'invoke_agent', 'embeddings'].map((operation, at) => span(`00000000000000a${at}`, operation));
  const resource = { attributes: [attribute('service.name'), attribute('telemetry.sdk.name'), attribute(HOSTILE)] };
  await post('/v1/traces', JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: HOSTILE, version: HOSTILE }, spans }] }] }));
  const record = { traceId: TRACE, spanId: '00000000000000a0', timeUnixNano: nanos(1500), severityText: HOSTILE, severityNumber: 17, body: { stringValue: HOSTILE }, attributes: [attribute(HOSTILE)] };
  await post('/v1/logs', JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record, { ...record, traceId: undefined }] }] }] }));
  const frame = { filename: HOSTILE, abs_path: HOSTILE, function: HOSTILE, module: HOSTILE, lineno: 3, pre_context: [HOSTILE], context_line: HOSTILE, post_context: [HOSTILE], vars: { [HOSTILE]: HOSTILE }, in_app: true };
  const event = {
    event_id: '5'.repeat(32),
    timestamp: Date.now() / 1000,
    platform: 'python',
    level: 'error',
    transaction: HOSTILE,
    logger: HOSTILE,
    release: HOSTILE,
    dist: HOSTILE,
    server_name: HOSTILE,
    environment: HOSTILE.slice(0, 60),
    user: { id: HOSTILE, email: HOSTILE, username: HOSTILE, [HOSTILE]: HOSTILE },
    tags: { [HOSTILE.slice(0, 30)]: HOSTILE, url: 'javascript:window.owned=10' },
    extra: { [HOSTILE]: HOSTILE },
    modules: { [HOSTILE]: HOSTILE },
    sdk: { name: HOSTILE, version: HOSTILE },
    contexts: { trace: { trace_id: TRACE, span_id: '00000000000000a0' }, [HOSTILE]: { [HOSTILE]: HOSTILE } },
    request: { url: 'javascript:window.owned=11', method: HOSTILE, headers: { [HOSTILE]: HOSTILE }, data: HOSTILE, query_string: HOSTILE },
    breadcrumbs: { values: [{ timestamp: Date.now() / 1000, category: HOSTILE, message: HOSTILE, type: HOSTILE, data: { url: 'javascript:window.owned=12', [HOSTILE]: HOSTILE } }] },
    exception: { values: [{ type: HOSTILE, value: HOSTILE, module: HOSTILE, mechanism: { type: HOSTILE, help_link: 'javascript:window.owned=13', data: { [HOSTILE]: HOSTILE } }, stacktrace: { frames: [frame] } }] },
  };
  const body = JSON.stringify(event);
  await post('/api/1/envelope/', `{"event_id":"${event.event_id}"}\n{"type":"event","length":${Buffer.byteLength(body)}}\n${body}\n`, 'application/x-sentry-envelope');
  // A name may contain no slash.
  const short = '<img src=x onerror=window.owned=14>{{constructor}}';
  await server.change('', { name: short }, { method: 'PATCH' });
  await server.change('/keys', { name: short });
  const channel = await server.change('/alerts/targets', { name: short, address: { kind: 'webhook', url: 'https://hooks.example/x' } });
  await server.change('/alerts/rules', { name: short, measure: 'calls', window: '1h', warning: 0, owner: short, notify: { targets: [channel.id] } });
  await server.change('/alerts/budgets', { name: short, amount: 1, period: 'day', time_zone: 'UTC', steps: [100] });
  await server.change('/scores', { name: short, value: short, data_type: 'CATEGORICAL', trace_id: TRACE, comment: HOSTILE });
}

test('hostile texts in every field are shown and never executed', async () => {
  await sendHostileTexts();
  const elsewhere = [];
  page.on('request', (request) => new URL(request.url()).host !== new URL(server.url).host && !request.url().startsWith('data:') && !request.url().startsWith('blob:') && elsewhere.push(request.url()));
  page.on('dialog', (dialog) => elsewhere.push(`dialog ${dialog.message()}`) && void dialog.dismiss());
  const { issues } = await eventually('the error is an issue', async () => {
    const found = await server.ask('/issues');
    return found.issues.length > 0 && found;
  });
  const span = (tab) => `/p/1/traces/${TRACE}?span=00000000000000a0&tab=${tab}`;
  const addresses = ['/p/1', '/p/1/traces', `/p/1/traces/${TRACE}`, ...['timeline', 'transcript', 'operations'].map((view) => `/p/1/traces/${TRACE}?view=${view}`), ...['messages', 'cost', 'attributes', 'reading', 'raw', 'errors', 'transcript'].map(span), `/p/1/traces/${TRACE}?span=00000000000000a1`, '/p/1/logs', '/p/1/issues', ...issues.flatMap(({ issue_id: id }) => [`/p/1/issues/${id}`, `/p/1/issues/${id}?view=json`]), '/p/1/metrics', '/p/1/mapping', '/p/1/alerts', '/p/1/alerts/incidents', '/p/1/alerts/targets', '/p/1/alerts/deliveries', '/settings?project=1', '/system?project=1'];
  for (const address of addresses) {
    await page.goto(server.url + address);
    await page.getByRole('main').first().waitFor();
    await page.waitForLoadState('networkidle').catch(() => {});
    for (const one of await page.locator('[data-testid=log-line], [data-testid=breadcrumb], details > summary').all()) await one.click({ timeout: 500 }).catch(() => {});
    const found = await page.evaluate(() => ({
      owned: window.owned,
      links: [...document.querySelectorAll('[href], [src], [action], [formaction], [data]')].map((node) => node.href?.baseVal ?? node.href ?? node.src ?? '').filter((url) => /^\s*(javascript|vbscript):/i.test(url)),
      embedded: document.querySelectorAll('iframe, object, embed, main script, main style').length,
    }));
    assert.deepEqual(found, { owned: undefined, links: [], embedded: 0 }, address);
  }
  assert.deepEqual(elsewhere, []);
});
