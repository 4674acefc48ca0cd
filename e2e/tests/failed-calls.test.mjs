// From a red number of the overview to the calls that it counts, also where they sit in traces that are ok.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hex, sendEnvelope } from '../error-events.mjs';
import { eventually, openBrowser, startServer } from '../support.mjs';

let server, browser, page, errors;

/** A trace that is ok, with a call that failed and one that did not. */
async function sendTrace() {
  const [trace, root, end] = [hex(32), hex(16), Date.now() / 1000 - 60];
  const call = (status) => ({
    trace_id: trace,
    span_id: hex(16),
    parent_span_id: root,
    op: 'gen_ai.chat',
    description: 'chat gpt-4o',
    start_timestamp: end - 1,
    timestamp: end,
    status,
    data: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o' },
  });
  const transaction = {
    type: 'transaction',
    event_id: hex(32),
    transaction: 'POST /answer',
    start_timestamp: end - 2,
    timestamp: end,
    contexts: { trace: { trace_id: trace, span_id: root, op: 'http.server', status: 'ok' } },
    spans: [call('internal_error'), call('ok')],
  };
  await sendEnvelope(server, [[{ type: 'transaction' }, transaction]]);
}

before(async () => {
  server = await startServer();
  await sendTrace();
  await sendTrace();
  await eventually('both traces', async () => (await server.ask('/summary')).failed_llm_calls === 2);
  ({ browser, page, errors } = await openBrowser(server));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const listed = () => page.getByRole('table').getByRole('link', { name: /chat gpt-4o/ });

for (const [what, link] of [
  ['legend', () => page.getByRole('link', { name: /^failed 2$/ })],
  ['error rate', () => page.getByRole('link', { name: /Error rate.*2 failed calls/s })],
]) {
  test(`the ${what} leads to as many calls as it counts`, async () => {
    await page.goto(`${server.url}/p/1`);
    await link().click();
    await page.waitForURL(/of=spans/);
    await eventually('the failed calls', async () => (await listed().count()) === 2);
    assert.deepEqual(errors, []);
  });
}
