// A program spends the day's budget: a real mail server and a program are told why, and the page says so.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, openBrowser, run, startMailServer, startProvider, startReceiver, startServer } from '../support.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = new URL('../shots/', import.meta.url).pathname;
mkdirSync(SHOTS, { recursive: true });

let server;
let provider;
let mail;
let receiver;
let secret;
before(async () => {
  [server, provider, mail, receiver] = await Promise.all([
    startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1' }),
    startProvider(),
    startMailServer(),
    startReceiver(),
  ]);
});
after(async () => {
  provider?.stop();
  mail?.stop();
  receiver?.stop();
  await server?.stop();
});

test('a daily budget is exceeded: e-mail and webhook report the amount and the forecast', async () => {
  const address = { kind: 'email', host: '127.0.0.1', port: mail.port, security: 'none', from: 'Hinomi <hinomi@example.com>', to: ['oncall@example.com'] };
  const mailbox = await server.change('/alerts/targets', { name: 'On call', language: 'ja', address });
  const program = await server.change('/alerts/targets', { name: 'Program', address: { kind: 'webhook', url: receiver.url } });
  secret = program.signing_secret;
  // The article's program costs 0.0003385 dollars.
  const notify = { targets: [mailbox.id, program.id] };
  await server.change('/alerts/budgets', { name: 'Day', amount: 0.0003, period: 'day', time_zone: 'Asia/Tokyo', steps: [100], notify });

  const ran = await run('blog_example.py', 'python/sentry-2.75', { dsn: server.dsn, provider });
  assert.equal(ran.status, 0, ran.err);

  await eventually('the program is told', () => receiver.told.length > 0);
  const [{ headers, text, body }] = receiver.told;
  assert.deepEqual([body.type, body.data.rule_name, body.data.severity, body.data.value], ['alert.opened', 'Day', 'critical', 0.0003385]);
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  assert.equal(headers['webhook-signature'], `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);

  const [message] = await eventually('the mail comes', () => mail.mails().length > 0 && mail.mails());
  assert.deepEqual(message.to, ['oncall@example.com']);
  assert.match(message.subject, /重大.*Day.*\$0\.0003/);
  assert.ok(message.text.includes(`${server.url}/p/1/alerts/incidents/`) && message.html.includes('<a href='), message.text);
  const { deliveries } = await eventually('both are written down', async () => {
    const log = await server.ask('/alerts/deliveries?state=delivered');
    return log.deliveries.length === 2 && log;
  });
  assert.deepEqual(deliveries.map(({ attempts }) => attempts.length), [1, 1]);
  assert.deepEqual([receiver.told.length, mail.mails().length], [1, 1]);
});

/** An authority of our own, and what it signed for this machine. */
function ownAuthority() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hinomi-ca-'));
  const openssl = (...args) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
  };
  const key = (name) => ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`];
  openssl('req', '-x509', ...key('ca'), '-out', 'ca.pem', '-subj', '/CN=Test authority', '-days', '2');
  openssl('req', ...key('own'), '-out', 'own.csr', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1');
  openssl('x509', '-req', '-in', 'own.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', 'own.pem', '-days', '2', '-copy_extensions', 'copy');
  const at = (name) => path.join(folder, name);
  return { ca: at('ca.pem'), certificate: at('own.pem'), key: at('own.key'), remove: () => rmSync(folder, { recursive: true }) };
}

test('e-mail by STARTTLS and TLS, and a webhook by HTTPS, with a configured certificate authority', async () => {
  const authority = ownAuthority();
  const [trusting, starttls, tls] = await Promise.all([
    startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1', HINOMI_NOTIFY_CA_FILE: authority.ca }),
    startMailServer('starttls', authority.certificate, authority.key),
    startMailServer('tls', authority.certificate, authority.key),
  ]);
  const told = [];
  const secure = createHttpsServer({ cert: readFileSync(authority.certificate), key: readFileSync(authority.key) }, (request, response) => {
    told.push(request.headers['webhook-id']);
    request.resume().on('end', () => response.writeHead(204).end());
  });
  await new Promise((resolve) => secure.listen(0, '127.0.0.1', resolve));
  try {
    const mailbox = (port, security) => ({ kind: 'email', host: '127.0.0.1', port, security, from: 'hinomi@example.com', to: ['oncall@example.com'] });
    const addresses = {
      starttls: mailbox(starttls.port, 'starttls'),
      tls: mailbox(tls.port, 'tls'),
      https: { kind: 'webhook', url: `https://127.0.0.1:${secure.address().port}/hook` },
    };
    for (const [name, address] of Object.entries(addresses)) {
      const trusted = await trusting.change('/alerts/targets', { name, address });
      const { state, attempts } = await trusting.change(`/alerts/targets/${trusted.id}/test`, {});
      assert.equal(state, 'delivered', `${name}: ${JSON.stringify(attempts)}`);
      // Without the setting nobody vouches for it, and nothing is sent.
      const stranger = await server.change('/alerts/targets', { name, address });
      const refused = await server.change(`/alerts/targets/${stranger.id}/test`, {});
      assert.notEqual(refused.state, 'delivered', name);
      await server.change(`/alerts/targets/${stranger.id}`, {}, { method: 'DELETE' });
    }
    assert.deepEqual([starttls.mails().length, tls.mails().length, told.length], [1, 1, 1]);
  } finally {
    secure.closeAllConnections();
    secure.close();
    starttls.stop();
    tls.stop();
    await trusting.stop();
    authority.remove();
  }
});

/** One call of 0.00045 dollars, of a client that keeps one trace of five. */
function sampled(number) {
  const now = Date.now() / 1000;
  const trace_id = number.toString(16).padStart(32, '0');
  const data = {
    'gen_ai.system': 'openai',
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 500,
  };
  const ids = { trace_id, span_id: '0000000000000002', parent_span_id: '0000000000000001' };
  const payload = JSON.stringify({
    type: 'transaction',
    transaction: 'ask',
    start_timestamp: now - 2,
    timestamp: now - 1,
    contexts: { trace: { trace_id, span_id: '0000000000000001', op: 'function' } },
    spans: [{ ...ids, op: 'gen_ai.chat', start_timestamp: now - 2, timestamp: now - 1, data }],
  });
  const header = JSON.stringify({ trace: { trace_id, sample_rate: '0.2' } });
  return `${header}\n{"type":"transaction","length":${Buffer.byteLength(payload)}}\n${payload}\n`;
}

test('sampled-out spend is shown separately, and an incident has its chart, in both languages', async () => {
  const { id: project, key } = server.project('sampled');
  const budget = await server.change('/alerts/budgets', { name: 'Month', amount: 1, period: 'month', time_zone: 'Asia/Tokyo' }, { project });
  const rule = { name: 'Any call', measure: 'calls', window: '15m', warning: 1, group_by: 'key' };
  await server.change('/alerts/rules', rule, { project });
  for (const number of [1, 2]) {
    const response = await fetch(`${server.url}/api/${project}/envelope/?sentry_key=${key}`, { method: 'POST', body: sampled(number) });
    assert.equal(response.status, 200);
  }
  const { incidents } = await eventually('the rule rings', async () => {
    const found = await server.ask('/alerts/incidents', project);
    return found.incidents.length > 0 && found;
  });
  assert.deepEqual(incidents[0].group, { name: 'key', value: 'Default' });
  await eventually('the budget is counted', async () => (await server.ask('/alerts/budgets', project)).budgets[0].state?.estimated === 0.0045);
  for (const [name, options, words] of [
    ['light', {}, ['about $0.0045 in total, of which clients sent 20.0 %', 'ingest key Default']],
    ['phone-japanese', { locale: 'ja-JP', viewport: { width: 390, height: 844 }, colorScheme: 'dark' }, ['全体では約$0.0045', '取り込みキー Default']],
  ]) {
    const { browser, page, errors } = await openBrowser(server, options);
    try {
      await page.goto(`${server.url}/p/${project}/alerts/budgets/${budget.id}`);
      await page.getByText(words[0]).first().waitFor();
      await page.screenshot({ path: `${SHOTS}alerts-sampled-${name}.png` });
      await page.goto(`${server.url}/p/${project}/alerts/incidents/${incidents[0].id}`);
      await page.getByText(words[1]).first().waitFor();
      await page.getByTestId('threshold-warning').first().waitFor({ state: 'attached' });
      await page.locator('[data-testid=series-line][d*="L"]').first().waitFor({ state: 'attached' });
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${SHOTS}alerts-chart-${name}.png` });
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
    }
  }
});

const LOOKS = [
  ['light', {}],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 844 } }],
  ['japanese', { locale: 'ja-JP' }],
];

for (const [name, options] of LOOKS) {
  test(`what burns is on every page, and on its own, ${name}`, async () => {
    const { incidents } = await server.ask('/alerts/incidents');
    const { budgets } = await server.ask('/alerts/budgets');
    const { browser, page, errors } = await openBrowser(server, options);
    try {
      await page.goto(`${server.url}/p/1/traces`);
      await page.getByRole('status').filter({ hasText: 'Day' }).first().waitFor();
      const screens = { now: '', incident: `/incidents/${incidents[0].id}`, 'budget-day': `/budgets/${budgets[0].id}`, told: '/deliveries', 'where-to': '/targets' };
      for (const [screen, path] of Object.entries(screens)) {
        await page.goto(`${server.url}/p/1/alerts${path}`, { waitUntil: 'load' });
        await page.getByRole('main').getByText(/Day|Program/).filter({ visible: true }).first().waitFor();
        await page.waitForTimeout(400);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
        const barriers = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
        assert.deepEqual(barriers, [], screen);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
        assert.ok(!wide, `${screen} scrolls sideways`);
        await page.screenshot({ path: `${SHOTS}alerts-${screen}-${name}.png` });
      }
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
    }
  });
}

test('a user creates a channel and a rule, sees a preview, and acknowledges an incident', async () => {
  const { browser, page, errors } = await openBrowser(server);
  try {
    await page.goto(`${server.url}/p/1/alerts/targets`);
    await page.getByRole('button', { name: 'New channel' }).click();
    await page.getByLabel('Type').selectOption('webhook');
    await page.getByLabel('Name', { exact: true }).fill('Second program');
    await page.getByLabel('URL').fill(receiver.url);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/^whsec_/).waitFor();
    await page.getByRole('button', { name: 'I have copied it' }).click();
    const row = page.getByRole('row').filter({ hasText: 'Second program' });
    await row.getByRole('button', { name: 'Test' }).click();
    await row.getByText(/^204 in/).waitFor();

    await page.goto(`${server.url}/p/1/alerts/rules/new`);
    await page.getByLabel('Name', { exact: true }).fill('Many calls');
    await page.getByLabel('Metric', { exact: true }).selectOption('calls');
    await page.getByLabel('Group by').selectOption('tag:');
    await page.getByLabel('Tag', { exact: true }).fill('plan');
    await page.getByLabel('Warning at').fill('0');
    await page.getByText('Would have fired once').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('table', { name: 'Rules' }).getByText('Many calls').waitFor();

    const { incidents } = await server.ask('/alerts/incidents?state=open');
    await page.goto(`${server.url}/p/1/alerts/incidents/${incidents.at(-1).id}`);
    await page.getByRole('button', { name: 'Acknowledge' }).click();
    await page.getByText('acknowledged').first().waitFor();
    await page.getByLabel('Note').fill('A test spends on purpose.');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByText('A test spends on purpose.').waitFor();
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
});
