// Mapping rules: from a span that was not understood to a rule that reads the next one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

let server, browser;
before(async () => (server = await startServer()));
after(async () => {
  await browser?.close();
  await server?.stop();
});

const TRACE = (number) => String(number).padStart(32, '0');

/** A call as a home-made instrumentation reports it. */
async function send(number) {
  const at = (ms) => `${BigInt(Date.now() - ms) * 1_000_000n}`;
  const text = (key, value) => ({ key, value: { stringValue: value } });
  const count = (key, value) => ({ key, value: { intValue: value } });
  const span = {
    traceId: TRACE(number),
    spanId: '00000000000000a1',
    name: 'relay chat',
    startTimeUnixNano: at(2000),
    endTimeUnixNano: at(1000),
    attributes: [text('relay.model', 'gpt-4o-mini'), count('relay.in', 1000), count('relay.out', 500), text('relay.asked', 'Where is my parcel?')],
  };
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ scope: { name: 'acme.relay' }, spans: [span] }] }] });
  const headers = { 'content-type': 'application/json', 'x-hinomi-key': KEY };
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers, body })).status, 200);
}

test('a rule is drafted from a span, tested, saved and applied', async () => {
  await send(1);
  const opened = await openBrowser(server);
  browser = opened.browser;
  const { page, errors } = opened;
  await page.goto(`${server.url}/p/1/traces/${TRACE(1)}?span=00000000000000a1&tab=reading`);
  await page.getByRole('link', { name: 'Add a mapping rule' }).click();
  await page.getByRole('button', { name: 'Add a rule for this span' }).click();
  const rules = page.getByLabel('Rules (TOML)');
  await eventually('the draft', async () => (await rules.inputValue()).includes('scope = "acme.relay"') || null);

  // A field that does not exist is an error that names it, and nothing is lost.
  const draft = await rules.inputValue();
  await rules.fill(draft.replace('# "relay.model" = ""', '"relay.model" = "modle"'));
  await page.getByRole('button', { name: 'Test rules' }).click();
  await page.getByRole('alert').filter({ hasText: 'modle' }).waitFor();

  await rules.fill(
    draft
      .replace('# "relay.model" = ""', '"relay.model" = "request_model"')
      .replace('# "relay.in" = ""', '"relay.in" = "usage.input_tokens"')
      .replace('# "relay.out" = ""', '"relay.out" = "usage.output_tokens"\n"relay.cost" = "client_cost"')
      .replace('# "relay.asked" = ""', '"relay.asked" = "input_messages"'),
  );
  await page.getByRole('button', { name: 'Test rules' }).click();
  const result = page.locator('.mapping-result');
  await result.getByText('usage.input_tokens').waitFor();
  assert.match(await result.innerText(), /kind\s+"other"\s+"llm"/);
  assert.match(await result.innerText(), /relay\.cost → client_cost: The span has no such attribute/);
  const [download] = await Promise.all([page.waitForEvent('download'), result.getByRole('link', { name: 'Download as a test case' }).click()]);
  const fixture = JSON.parse(readFileSync(await download.path(), 'utf8'));
  assert.equal(fixture.span.attributes['relay.in'], 1000);
  assert.equal(fixture.expected.cost, 0.00045);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/mapping.png`, fullPage: true });

  await page.getByRole('button', { name: 'Save rules' }).click();
  await page.getByText('Saved. 1 rule applies to new spans.').waitFor();
  await send(2);
  const span = await eventually('the new span', () => server.ask(`/traces/${TRACE(2)}/spans/00000000000000a1`));
  assert.deepEqual([span.kind, span.cost.total, span.input_messages.length], ['llm', 0.00045, 1]);
  await page.goto(`${server.url}/p/1/traces/${TRACE(2)}?span=00000000000000a1&tab=reading`);
  await page.getByText('by the mapping rule “relay chat”').first().waitFor();
  // The error of the rule file is the only failed request.
  assert.deepEqual(
    errors.filter((text) => !text.includes('400')),
    [],
  );
});

test('the page fits a phone, in the dark and in Japanese', async () => {
  const context = await browser.newContext({ viewport: { width: 375, height: 800 }, colorScheme: 'dark', locale: 'ja-JP' });
  const page = await context.newPage();
  await page.goto(server.signInLink());
  await page.goto(`${server.url}/p/1/mapping?trace=${TRACE(1)}&span=00000000000000a1`);
  await page.getByRole('button', { name: 'ルールを試す' }).waitFor();
  const [width, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(width <= inner, `${width} > ${inner}`);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/mapping-phone.png`, fullPage: true });
  await context.close();
});
