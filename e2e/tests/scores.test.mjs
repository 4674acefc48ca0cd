// Scores: a person rates a trace and writes a note, an end user sends feedback, and the page Quality shows both.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

let server, browser;
before(async () => (server = await startServer()));
after(async () => {
  await browser?.close();
  await server?.stop();
});

const TRACE = '00000000000000000000000000000001';
const SPAN = '00000000000000a1';
const JSON_WITH_KEY = { 'content-type': 'application/json', 'x-hinomi-key': KEY };

async function send() {
  const at = (ms) => `${BigInt(Date.now() - ms) * 1_000_000n}`;
  const text = (key, value) => ({ key, value: { stringValue: value } });
  const attributes = [text('gen_ai.operation.name', 'chat'), text('gen_ai.request.model', 'gpt-4o-mini')];
  const span = { traceId: TRACE, spanId: SPAN, name: 'chat', startTimeUnixNano: at(2000), endTimeUnixNano: at(1000), attributes };
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers: JSON_WITH_KEY, body })).status, 200);
}

test('a person rates a trace, an end user a span, and both are counted', async () => {
  await send();
  const opened = await openBrowser(server);
  browser = opened.browser;
  const { page, errors } = opened;
  await page.goto(`${server.url}/p/1/traces/${TRACE}`);
  const helpful = page.getByRole('button', { name: 'Helpful', exact: true });
  const notHelpful = page.getByRole('button', { name: 'Not helpful' });
  await helpful.click();
  await eventually('the thumb', async () => (await helpful.getAttribute('aria-pressed')) === 'true' || null);
  await notHelpful.click();
  await eventually('the other thumb', async () => (await notHelpful.getAttribute('aria-pressed')) === 'true' || null);
  assert.equal(await helpful.getAttribute('aria-pressed'), 'false', 'the second rating supersedes the first one');

  await page.getByRole('button', { name: 'Add note' }).click();
  await page.keyboard.type('<b>Wrong</b> city.');
  await page.keyboard.press('Enter');
  const note = page.locator('.trace-scores li').filter({ hasText: 'note' });
  await note.getByText('<b>Wrong</b> city.').waitFor();

  // A page of another origin sends the feedback of its user.
  const answer = await fetch(`${server.url}/api/v1/projects/1/feedback`, {
    method: 'POST',
    headers: { ...JSON_WITH_KEY, origin: 'https://shop.example' },
    body: JSON.stringify({ trace_id: TRACE, span_id: SPAN, value: false, comment: 'Not what I asked.' }),
  });
  assert.equal(answer.status, 201);
  await page.reload();
  await page.getByText('Not what I asked.').waitFor();
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/scores.png`, fullPage: true });

  await note.getByRole('button', { name: 'Remove' }).click();
  await note.getByRole('button').click();
  await note.waitFor({ state: 'detached' });

  await page.getByRole('link', { name: 'Quality' }).click();
  await page.getByRole('link', { name: 'feedback' }).waitFor();
  // Which scores are bad is unknown until somebody says so.
  await page.getByLabel('Score', { exact: true }).fill('feedback');
  await page.getByRole('button', { name: 'Define score' }).click();
  await page.getByRole('cell', { name: '0 or less' }).waitFor();
  await page.getByRole('row', { name: /feedback.*100/ }).waitFor();
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/quality.png`, fullPage: true });
  await page.getByRole('link', { name: 'feedback' }).click();
  await page.waitForURL(/score\.feedback/);
  await page.locator(`a[href*="${TRACE}"]`).first().waitFor();
  assert.deepEqual(errors, []);
});
