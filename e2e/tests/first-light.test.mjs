// From an unmodified program to its answer and its cost on the page, without a reload.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { eventually, openBrowser, run, startProvider, startServer } from '../support.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = new URL('../shots/', import.meta.url).pathname;
mkdirSync(SHOTS, { recursive: true });

let server;
let provider;
before(async () => {
  [server, provider] = await Promise.all([startServer(), startProvider()]);
});
after(async () => {
  provider?.stop();
  await server?.stop();
});

/** What a person who cannot see or use a mouse would stumble over. */
async function barriers(page) {
  // The page's policy lets no foreign script in, so the driver brings it.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}

async function wide(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

test('a program runs, and the page shows its response and cost', async () => {
  const { browser, page, errors } = await openBrowser(server);
  try {
    await page.goto(`${server.url}/p/1/traces`);
    assert.equal(await page.getByRole('table').getByRole('link', { name: 'GPT-3.5 Inference' }).count(), 0);
    const loads = await page.evaluate(() => performance.getEntriesByType('navigation').length && performance.timeOrigin);

    const program = await run('blog_example.py', 'python/sentry-2.75', { dsn: server.dsn, provider });
    assert.equal(program.status, 0, program.err);
    const answer = program.out.trim();

    const row = page.getByRole('row').filter({ hasText: 'GPT-3.5' });
    await row.waitFor({ timeout: 20_000 });
    assert.equal(await page.evaluate(() => performance.timeOrigin), loads, 'the row came without a reload');
    await row.getByRole('link').first().click();

    await page.waitForURL(/traces\/[0-9a-f]{32}/);
    const tree = page.getByRole('treegrid');
    for (const name of ['GPT-3.5 Pipeline', 'chat gpt-3.5-turbo']) await tree.getByText(name).first().waitFor();
    const wanted = { question: 'AIとは何ですか', answer, cost: '$0.0003385', tokens: '243' };
    let missing;
    await eventually('question, answer, cost and tokens', async () => {
      const shown = (await page.locator('main').innerText()).replace(/\s/g, '');
      missing = Object.entries(wanted).find(([, text]) => !shown.includes(text.replace(/\s/g, '')));
      return missing === undefined;
    }).catch((error) => assert.fail(`${error.message}: ${missing}`));
    assert.deepEqual(errors, []);
    await page.screenshot({ path: `${SHOTS}first-light.png` });
  } finally {
    await browser.close();
  }
});

test('metrics and logs of a program are shown with its spans and not in totals', async () => {
  const key = new URL(server.dsn).username;
  const send = (path, body) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hinomi-key': key },
      body: JSON.stringify(body),
    });
  const text = (name, value) => ({ key: name, value: { stringValue: value } });
  const now = Date.now();
  const point = (model, asInt) => ({ timeUnixNano: `${now}000000`, asInt, attributes: [text('model', model)] });
  const sum = { isMonotonic: true, aggregationTemporality: 1, dataPoints: [point('gpt-4o', 30), point('<b>gpt-5</b>', 12)] };
  const metrics = [{ name: 'shop.orders', unit: '{order}', description: 'Orders', sum }];
  assert.equal((await send('/v1/metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] })).status, 200);
  const { traces } = await server.ask('/traces');
  const [{ trace_id: traceId, root_span_id: spanId }] = traces;
  const record = { traceId, spanId, timeUnixNano: `${Date.parse(traces[0].start_time)}000000`, severityNumber: 13 };
  const logRecords = [{ ...record, body: { stringValue: '<img src=x onerror=alert(1)> slow' } }];
  assert.equal((await send('/v1/logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] })).status, 200);

  const { browser, page, errors } = await openBrowser(server);
  try {
    await page.goto(`${server.url}/p/1/metrics`);
    await page.getByRole('heading', { name: 'shop.orders' }).waitFor();
    await page.getByRole('definition').filter({ hasText: '42' }).waitFor();
    await page.getByRole('button', { name: 'Group by' }).click();
    await page.getByRole('menuitemradio', { name: 'model' }).click();
    await page.getByRole('cell', { name: '<b>gpt-5</b>' }).waitFor();
    await page.waitForURL(/by=model/);
    await page.goto(`${server.url}/p/1/traces/${traceId}`);
    await page.getByText('<img src=x onerror=alert(1)> slow').first().waitFor();
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
});

const SCREENS = {
  overview: '/p/1',
  traces: '/p/1/traces',
  issues: '/p/1/issues',
  metrics: '/p/1/metrics',
  setup: '/p/1/setup',
  settings: '/settings',
  system: '/system',
  alerts: '/p/1/alerts',
  incidents: '/p/1/alerts/incidents',
  deliveries: '/p/1/alerts/deliveries',
  targets: '/p/1/alerts/targets',
  rule: '/p/1/alerts/rules/new',
  budget: '/p/1/alerts/budgets/new',
};
const LOOKS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
  ['japanese', { colorScheme: 'light', locale: 'ja-JP' }],
];

for (const [name, options] of LOOKS) {
  test(`every screen, ${name}: no barriers, no errors, nothing too wide`, async () => {
    const { traces } = await server.ask('/traces');
    const { browser, page, errors } = await openBrowser(server, options);
    try {
      for (const [screen, path] of Object.entries({ ...SCREENS, trace: `/p/1/traces/${traces[0].trace_id}` })) {
        await page.goto(`${server.url}${path}`, { waitUntil: 'load' });
        await page.getByRole('main').waitFor();
        await page.getByRole('heading').first().waitFor();
        await page.waitForLoadState('load');
        await page.waitForTimeout(300);
        assert.deepEqual(await barriers(page), [], screen);
        assert.ok(!(await wide(page)), `${screen} scrolls sideways`);
        await page.screenshot({ path: `${SHOTS}${screen}-${name}.png` });
      }
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
    }
  });
}

test('a sign-in link works once, and without a session the page asks for one', async () => {
  const { browser, page, context } = await openBrowser(server);
  try {
    const link = server.signInLink();
    await page.goto(link);
    const stranger = await browser.newContext();
    const other = await stranger.newPage();
    await other.goto(link);
    await other.getByText(/hinomi login/).first().waitFor();
    assert.equal((await other.request.get(`${server.url}/api/v1/projects`)).status(), 401);
    assert.equal((await context.request.get(`${server.url}/api/v1/projects`)).status(), 200);
  } finally {
    await browser.close();
  }
});
