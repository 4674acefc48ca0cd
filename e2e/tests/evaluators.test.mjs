// Evaluators: created with a form and a preview, run on stored data, and their scores shown on the trace.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

let server, browser;
before(async () => (server = await startServer()));
after(async () => {
  await browser?.close();
  await server?.stop();
});

const JSON_WITH_KEY = { 'content-type': 'application/json', 'x-hinomi-key': KEY };
const traceId = (n) => n.toString(16).padStart(32, '0');

/** Sends a trace with one call that gives this answer. */
async function send(n, answer) {
  const at = (ms) => `${BigInt(Date.now() - ms) * 1_000_000n}`;
  const text = (key, value) => ({ key, value: { stringValue: value } });
  const messages = (role, content) => JSON.stringify([{ role, parts: [{ type: 'text', content }] }]);
  const attributes = [
    text('gen_ai.operation.name', 'chat'),
    text('gen_ai.request.model', 'gpt-4o-mini'),
    text('gen_ai.input.messages', messages('user', 'Which city?')),
    text('gen_ai.output.messages', messages('assistant', answer)),
  ];
  const id = n.toString(16).padStart(16, '0');
  const span = { traceId: traceId(n), spanId: id, name: 'chat', startTimeUnixNano: at(9000 - n), endTimeUnixNano: at(8000 - n), attributes };
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers: JSON_WITH_KEY, body })).status, 200);
}

test('an evaluator is written with a preview, and scores what is stored', async () => {
  await send(1, '{"city": "Kanazawa"}');
  await send(2, 'I like <b>Kanazawa</b>.');
  const opened = await openBrowser(server);
  browser = opened.browser;
  const { page, errors } = opened;
  const shot = async (name) => process.env.SHOTS && page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
  await page.goto(`${server.url}/p/1/quality/evaluators`);
  await page.getByText('No evaluators yet').waitFor();
  await shot('evaluators-empty');
  await page.getByRole('link', { name: 'New evaluator' }).click();

  await page.getByLabel('Name').fill('valid_city');
  await page.getByLabel('Type').selectOption('json_schema');
  await page.getByLabel('JSON Schema').fill('{ "type": ');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('This is not valid JSON.').waitFor();
  await page.getByLabel('JSON Schema').fill('{ "type": "object", "required": ["city"] }');
  await page.getByText('2 of 2 matching targets').waitFor();
  const preview = page.getByRole('region', { name: 'Preview' });
  await preview.getByText('The answer is not valid against the schema.').waitFor();
  assert.equal(await preview.getByText('yes', { exact: true }).count(), 1);
  await shot('evaluator-editor');
  await page.getByRole('button', { name: 'Save' }).click();

  await page.getByRole('row', { name: /valid_city/ }).getByRole('link').click();
  const backfill = page.getByRole('region', { name: 'Evaluate stored data' });
  await backfill.getByRole('button', { name: 'Evaluate this time range' }).click();
  await backfill.getByRole('button', { name: 'Start?' }).click();
  await backfill.getByText(/^Done at/).waitFor();
  await shot('evaluator-backfill');
  const scored = async () => {
    const { scores } = await server.ask('/scores?name=valid_city');
    return scores.length === 2 ? scores : null;
  };
  const scores = await eventually('the scores', scored);
  assert.deepEqual(Object.fromEntries(scores.map((score) => [score.trace_id, score.value])), { [traceId(1)]: 1, [traceId(2)]: 0 });

  await page.goto(`${server.url}/p/1/traces/${traceId(2)}`);
  await page.locator('.trace-scores li').filter({ hasText: 'valid_city' }).getByText(/^not valid JSON/).waitFor();
  await page.goto(`${server.url}/p/1/quality`);
  await page.getByRole('row', { name: /valid_city/ }).getByText(/^50(\.0)? %$/).waitFor();

  // Switched off, then deleted; the scores stay.
  await page.goto(`${server.url}/p/1/quality/evaluators`);
  await page.getByRole('row', { name: /valid_city/ }).getByRole('link').click();
  await page.getByLabel('Evaluate what arrives').uncheck();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row', { name: /valid_city/ }).getByText('off', { exact: true }).waitFor();
  await page.getByRole('row', { name: /valid_city/ }).getByRole('link').click();
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Remove now?' }).click();
  await page.getByText('No evaluators yet').waitFor();
  assert.equal((await scored())?.length, 2);
  assert.deepEqual(errors, []);
});
