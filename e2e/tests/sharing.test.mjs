// Share links and hidden messages: an owner shares a trace, somebody without an account reads it, the owner revokes the link.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, KEY, openBrowser, startServer } from '../support.mjs';

const TRACE = '7'.padStart(32, '0');
const QUESTION = 'Where is the lighthouse of Inubosaki?';
const PASSWORD = 'correct horse battery';

let server, browser, owner, errors;
before(async () => {
  server = await startServer();
  await sendCall();
  ({ browser, page: owner, errors } = await openBrowser(server));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function sendCall() {
  const at = (ms) => `${BigInt(Date.now() - ms) * 1_000_000n}`;
  const text = (key, stringValue) => ({ key, value: { stringValue } });
  const attributes = [
    text('gen_ai.operation.name', 'chat'),
    text('gen_ai.request.model', 'gpt-4o-mini'),
    text('gen_ai.input.messages', JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: QUESTION }] }])),
  ];
  const span = { traceId: TRACE, spanId: '00000000000000a1', name: 'chat gpt-4o-mini', startTimeUnixNano: at(2000), endTimeUnixNano: at(1000), attributes };
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  const headers = { 'content-type': 'application/json', 'x-hinomi-key': KEY };
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers, body })).status, 200);
}

/** A browser without an account; `asked` grows with the paths that it requests from the API. */
async function stranger() {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC' });
  const page = await context.newPage();
  const asked = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/api/')) asked.push(pathname);
  });
  return { page, asked };
}

/** Creates a link in the dialog. Returns its address at the server of the test. */
async function createLink({ messages }) {
  await owner.goto(`${server.url}/p/1/traces/${TRACE}`);
  await owner.getByRole('button', { name: 'Share', exact: true }).click();
  const dialog = owner.getByRole('dialog', { name: 'Share trace' });
  await dialog.getByLabel('Include messages').setChecked(messages);
  await dialog.getByRole('button', { name: 'Create link' }).click();
  const shown = await dialog.getByRole('status').locator('code').textContent();
  assert.match(shown, /\/share\/[0-9a-f]{64}$/);
  return { address: `${server.url}${new URL(shown).pathname}`, dialog };
}

test('a shared trace is readable without an account until the link is revoked', async () => {
  const { address, dialog } = await createLink({ messages: true });
  const { page, asked } = await stranger();
  await page.goto(address);
  await page.getByRole('heading', { name: 'chat gpt-4o-mini' }).first().waitFor();
  await page.getByText(QUESTION).waitFor();
  const own = `/api/v1${new URL(address).pathname}`;
  assert.deepEqual(asked.filter((path) => !path.startsWith(own)), [], 'only what the link opens');

  await dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await dialog.getByRole('button', { name: 'Revoke now?' }).click();
  await eventually('the link is gone from the list', async () => (await dialog.getByRole('button', { name: 'Revoke', exact: true }).count()) === 0);
  await page.reload();
  await page.getByText('This link has been revoked').waitFor();
  assert.equal(await page.getByText(QUESTION).count(), 0);
});

test('a link without messages shows none, and an unknown link says so', async () => {
  const { address } = await createLink({ messages: false });
  const { page } = await stranger();
  await page.goto(address);
  await page.getByText('Hidden by the project’s settings').first().waitFor();
  assert.equal(await page.getByText(QUESTION).count(), 0);
  await page.goto(`${server.url}/share/${'0'.repeat(64)}`);
  await page.getByText('This link does not exist').waitFor();
});

test('a viewer of a project that hides messages sees a trace without them', async () => {
  await owner.goto(`${server.url}/settings?project=1`);
  await owner.getByLabel('Hide message bodies').selectOption('viewer');
  await owner.getByRole('button', { name: 'Save' }).first().click();
  await owner.getByText('Saved', { exact: true }).waitFor();
  const link = server.command('user', 'create', 'ann@example.com', '--role', 'viewer').split(/\s+/).find((word) => word.includes('#token='));
  const { page } = await stranger();
  await page.goto(`${server.url}/set-password${new URL(link).hash}`);
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.waitForURL(/\/p\/1/);
  await page.goto(`${server.url}/p/1/traces/${TRACE}`);
  await page.getByText('Hidden by the project’s settings').first().waitFor();
  assert.equal(await page.getByText(QUESTION).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Share', exact: true }).isDisabled(), true);
  // For the owner, a new link has no messages unless that is chosen.
  await owner.goto(`${server.url}/p/1/traces/${TRACE}`);
  await owner.getByText(QUESTION).first().waitFor();
  await owner.getByRole('button', { name: 'Share', exact: true }).click();
  assert.equal(await owner.getByLabel('Include messages').isChecked(), false);
  assert.deepEqual(errors, []);
});
