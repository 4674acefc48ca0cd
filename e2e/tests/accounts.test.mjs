// Accounts: an owner invites a viewer on the page, the viewer looks at a trace, the owner takes the access away.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KEY, openBrowser, startServer } from '../support.mjs';

const EMAIL = 'ann@example.com';
const PASSWORD = 'correct horse battery';
const TRACE = '7'.padStart(32, '0');

let server, browser;
before(async () => (server = await startServer()));
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function sendSpan() {
  const at = (ms) => `${BigInt(Date.now() - ms) * 1_000_000n}`;
  const span = { traceId: TRACE, spanId: '00000000000000a1', name: 'chat gpt-4o', startTimeUnixNano: at(2000), endTimeUnixNano: at(1000) };
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  const headers = { 'content-type': 'application/json', 'x-hinomi-key': KEY };
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers, body })).status, 200);
}

test('an invited viewer sees a trace until the access ends', async () => {
  await sendSpan();
  const opened = await openBrowser(server);
  browser = opened.browser;
  const owner = opened.page;
  await owner.goto(`${server.url}/settings?project=1`);
  const members = owner.locator('section', { has: owner.getByRole('heading', { name: 'Members', exact: true }) });
  await members.getByLabel('E-mail address').fill(EMAIL);
  await members.getByRole('button', { name: 'Add' }).click();
  const link = await members.getByRole('status').locator('code').textContent();
  assert.match(link, /\/set-password#token=[0-9a-f]{64}$/);

  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC' });
  const viewer = await context.newPage();
  await viewer.goto(`${server.url}/set-password${new URL(link).hash}`);
  await viewer.getByLabel('New password').fill(PASSWORD);
  await viewer.getByRole('button', { name: 'Set password' }).click();
  await viewer.waitForURL(/\/p\/1/);
  await viewer.goto(`${server.url}/p/1/traces/${TRACE}`);
  await viewer.getByText('chat gpt-4o').first().waitFor();
  await viewer.goto(`${server.url}/settings?project=1`);
  await viewer.getByText(`Signed in as ${EMAIL}.`).waitFor();
  assert.equal(await viewer.getByRole('heading', { name: 'Members', exact: true }).count(), 0, 'only admins manage members');

  // The password works as well, and a wrong one does not.
  await viewer.getByRole('button', { name: 'Sign out' }).first().click();
  await viewer.waitForURL(/\/sign-in/);
  await viewer.getByLabel('Password', { exact: true }).fill('wrong password');
  await viewer.getByLabel('E-mail address').fill(EMAIL);
  await viewer.getByRole('button', { name: 'Sign in' }).first().click();
  await viewer.getByText('The e-mail address or the password is wrong.').waitFor();
  await viewer.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await viewer.getByRole('button', { name: 'Sign in' }).first().click();
  await viewer.waitForURL(/\/p\/1/);

  await owner.reload();
  const accounts = owner.locator('section', { has: owner.getByRole('heading', { name: 'Accounts', exact: true }) });
  const row = accounts.getByRole('row').filter({ hasText: EMAIL });
  await row.getByRole('button', { name: 'Deactivate' }).click();
  await row.getByRole('button', { name: 'Deactivate now?' }).click();
  await row.getByText('deactivated', { exact: true }).waitFor();
  await viewer.goto(`${server.url}/p/1/traces/${TRACE}`);
  await viewer.waitForURL(/\/sign-in/);
  assert.deepEqual(opened.errors, []);
});
