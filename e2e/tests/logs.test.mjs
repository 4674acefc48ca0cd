// Log lines: sent, listed, searched, followed live; and traces of which no span has arrived.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server, browser, page, errors;
before(async () => {
  server = await startServer();
  ({ browser, page, errors } = await openBrowser(server));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const BOTH = '5bf92f3577b34da6a3ce929d0e0e4736';

async function post(path, body, headers) {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers: { 'x-hinomi-key': KEY, ...headers }, body });
  assert.equal(response.status, 200, await response.text());
}

const SEVERITY = { debug: 5, info: 9, warn: 13, error: 17 };

/** Sends log records by OTLP; `ago` in seconds. */
const sendOtlp = (...records) =>
  post(
    '/v1/logs',
    JSON.stringify({
      resourceLogs: [
        {
          scopeLogs: [
            {
              scope: { name: 'shop' },
              logRecords: records.map(({ body, level = 'info', ago = 0, trace, span, attributes = {} }) => ({
                timeUnixNano: `${BigInt(Math.round((Date.now() / 1000 - ago) * 1000)) * 1_000_000n}`,
                severityNumber: SEVERITY[level],
                body: { stringValue: body },
                ...(trace && { traceId: trace, spanId: span }),
                attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
              })),
            },
          ],
        },
      ],
    }),
    { 'content-type': 'application/json' },
  );

/** Sends one item in an envelope, as Sentry's SDKs do. */
function sendEnvelope(type, payload, more = {}) {
  const body = JSON.stringify(payload);
  const header = { type, length: Buffer.byteLength(body), ...more };
  return post('/api/1/envelope/', `${JSON.stringify({ dsn: server.dsn })}\n${JSON.stringify(header)}\n${body}\n`, {
    'content-type': 'application/x-sentry-envelope',
  });
}

const seconds = (ago) => Date.now() / 1000 - ago;

const rows = () => page.getByRole('list', { name: 'Logs' }).getByRole('listitem');
const row = (text) => rows().filter({ hasText: text });
const open = async (path) => {
  await page.goto(`${server.url}${path}`);
  await page.getByRole('heading').first().waitFor({ state: 'attached' });
};
/** Waits until the list shows these lines, and no other. */
const shows = (...bodies) =>
  eventually(`the list shows ${bodies.join(', ')}`, async () => {
    const found = await rows().allInnerTexts();
    return found.length === bodies.length && bodies.every((body, at) => found[at].includes(body));
  });

/** Serious faults for people who use a keyboard or a screen reader, in both themes. */
async function accessibilityFaults() {
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
    found.push(...violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0].html}`));
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  return found;
}

test('a project without log lines shows how to send them, and the first line appears', async () => {
  await open('/p/1/logs');
  await page.getByRole('heading', { name: 'No log lines yet' }).waitFor();
  assert.deepEqual(await accessibilityFaults(), []);
  assert.ok(await page.getByText(server.dsn).first().isVisible(), 'the snippets have the DSN');
  await sendOtlp({ body: 'first line' });
  await shows('first line');
});

test('lines of Sentry and OpenTelemetry are found by words, level and attribute', async () => {
  await sendOtlp(
    { body: 'stock is low', level: 'warn', ago: 30, attributes: { tenant: 'acme' } },
    { body: 'payment <b>failed</b>', level: 'error', ago: 20, trace: TRACE, span: SPAN },
  );
  await sendEnvelope(
    'log',
    { items: [{ timestamp: seconds(10), trace_id: BOTH, level: 'info', body: 'booking started', attributes: { 'sentry.environment': { value: 'production', type: 'string' } } }] },
    { item_count: 1, content_type: 'application/vnd.sentry.items.log+json' },
  );
  await open('/p/1/logs');
  await shows('first line', 'booking started', 'payment <b>failed</b>', 'stock is low');
  const levels = page.getByRole('group', { name: 'Levels' });
  await levels.getByRole('button', { name: 'error' }).click();
  await shows('payment <b>failed</b>');
  await levels.getByRole('button', { name: 'warn' }).click();
  await shows('payment <b>failed</b>', 'stock is low');
  assert.equal(new URL(page.url()).searchParams.get('q'), 'level:error,warn');

  await page.keyboard.press('/');
  await page.keyboard.type('STOCK');
  await page.keyboard.press('Enter');
  await shows('stock is low');
  await page.keyboard.press('Escape');
  await page.locator('body').click({ position: { x: 5, y: 600 } });
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await row('stock is low').getByText('tenant').waitFor();
  assert.deepEqual(await accessibilityFaults(), []);
  await row('stock is low').getByRole('button', { name: 'Filter by tenant' }).click();
  await eventually('the filter', () => new URL(page.url()).searchParams.get('q') === 'level:error,warn STOCK attr.tenant:acme');
  await shows('stock is low');

  await open(`/p/1/logs?${new URLSearchParams({ q: 'attr.tenant:acme stock level:fatal' })}`);
  await page.getByRole('heading', { name: 'No results for this filter in this range' }).waitFor();
  await page.getByRole('button', { name: 'Clear filter' }).click();
  await shows('first line', 'booking started', 'payment <b>failed</b>', 'stock is low');
  await open('/p/1/logs?q=modle:x');
  await page.getByRole('alert').filter({ hasText: 'modle' }).waitFor();
});

test('a link opens its line, also where the filter excludes it', async () => {
  await open('/p/1/logs');
  await row('stock is low').getByTestId('log-line').click();
  await page.getByRole('button', { name: 'Copy line' }).waitFor();
  const address = new URL(page.url());
  assert.ok(address.searchParams.get('line'));
  await page.goto(address.href);
  await row('stock is low').getByText('acme').waitFor();
  address.searchParams.set('q', 'level:error');
  await page.goto(address.href);
  const linked = page.getByRole('region', { name: 'Linked line' });
  await linked.getByText('acme').waitFor();
  await linked.getByRole('button', { name: 'Surrounding lines' }).click();
  await linked.waitFor({ state: 'detached' });
  await row('stock is low').getByText('acme').waitFor();
  assert.equal(await rows().count(), 4);
});

test('the list is downloaded as it is filtered', async () => {
  await open('/p/1/logs?q=level:warn,error');
  await shows('payment', 'stock');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download JSONL' }).click()]);
  const lines = readFileSync(await download.path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ body }) => body), ['payment <b>failed</b>', 'stock is low']);
});

test('the live tail lets lines in, holds them while somebody reads, and can be paused', async () => {
  await open('/p/1/logs?q=tail');
  await page.mouse.move(5, 500);
  await eventually('the stream is open', async () => {
    await sendOtlp({ body: 'tail 0' });
    return row('tail 0').first().isVisible();
  });
  await sendOtlp({ body: 'tail one' });
  await row('tail one').waitFor();
  await row('tail one').hover();
  await sendOtlp({ body: 'tail two' }, { body: 'tail three' });
  await page.getByRole('button', { name: '2 new lines' }).waitFor();
  assert.equal(await row('tail two').count(), 0);
  await page.getByRole('button', { name: '2 new lines' }).click();
  await row('tail two').waitFor();
  await page.mouse.move(5, 500);

  const tail = page.getByRole('button', { name: 'Live tail' });
  await page.keyboard.press('l');
  assert.equal(await tail.getAttribute('aria-pressed'), 'false');
  await sendOtlp({ body: 'tail four' });
  await eventually('the line is stored', async () => (await server.ask('/logs?q=four')).logs.length === 1);
  await page.waitForTimeout(1500);
  assert.equal(await row('tail four').count(), 0);
  await page.keyboard.press('l');
  await row('tail four').waitFor();
});

test('a trace of errors and log lines alone is shown, until its first span arrives', async () => {
  await sendEnvelope('event', {
    event_id: 'a'.repeat(32),
    timestamp: seconds(9.5),
    level: 'error',
    transaction: 'POST /bookings',
    contexts: { trace: { trace_id: BOTH, span_id: SPAN } },
    exception: { values: [{ type: 'BookingError', value: 'no seats left' }] },
  });
  await open('/p/1/logs?q=booking');
  await row('booking started').getByRole('link', { name: BOTH.slice(0, 8) }).click();
  await page.getByRole('heading', { name: 'No span of this trace has arrived' }).waitFor();
  const moments = page.getByRole('listitem').filter({ has: page.getByRole('time') });
  assert.deepEqual((await moments.allInnerTexts()).map((text) => /booking started|BookingError/.exec(text)?.[0]), ['booking started', 'BookingError']);
  assert.equal(await page.getByText('Calls', { exact: true }).count(), 0);
  assert.deepEqual(await accessibilityFaults(), []);

  await page.getByRole('link', { name: 'Open issue' }).click();
  await page.getByRole('heading', { name: 'BookingError', level: 1 }).waitFor();
  await page.getByRole('link', { name: 'Open trace' }).click();
  await page.getByRole('heading', { name: 'No span of this trace has arrived' }).waitFor();

  await sendEnvelope('transaction', {
    event_id: 'b'.repeat(32),
    type: 'transaction',
    transaction: 'POST /bookings',
    start_timestamp: seconds(11),
    timestamp: seconds(9),
    contexts: { trace: { trace_id: BOTH, span_id: SPAN, op: 'http.server' } },
    spans: [],
  });
  await page.getByRole('treegrid').waitFor();
  await page.getByRole('heading', { name: 'No span of this trace has arrived' }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'Open in Logs' }).click();
  await shows('booking started');
  assert.deepEqual(errors.filter((text) => !text.includes('400')), []);
});
