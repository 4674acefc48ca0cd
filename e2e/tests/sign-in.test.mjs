// Signing in with a real OpenID Connect provider, in a browser: invitation, roles, renewal, sign-out on both sides, removal, new keys.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { signInAtProvider, startIdentityProvider } from '../identity-provider.mjs';
import { eventually, startServer } from '../support.mjs';

/** Seconds after which the provider must confirm a session. An hour at most, and usually. */
const SESSION_S = 15;

const people = new Map([
  ['ann', { email: 'ann@example.com' }],
  ['bob', { email: 'bob@example.com' }],
]);

let provider, server, browser;
before(async () => {
  provider = await startIdentityProvider(people);
  server = await startServer({
    ...provider.settings,
    HINOMI_SIGN_IN_OPENID_CONNECT_LABEL: 'Sign in with Acme',
    HINOMI_SIGN_IN_OPENID_CONNECT_SESSION_S: String(SESSION_S),
  });
  provider.serve(server.url);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  provider?.stop();
});

const open = async () => {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC' });
  return context.newPage();
};

async function signIn(page, name, path = '/p/1/traces') {
  await page.goto(`${server.url}${path}`);
  await page.getByRole('link', { name: 'Sign in with Acme' }).click();
  await signInAtProvider(page, name);
}

const signedInAs = (page, email) => page.getByText(`Signed in as ${email}.`).waitFor();

test('an invited person signs in, and signs out here and at the provider', async () => {
  const page = await open();
  await signIn(page, 'ann');
  await page.getByText('Your e-mail address is not invited.').waitFor();
  server.command('user', 'create', 'ann@example.com', '--role', 'member');
  await page.getByRole('link', { name: 'Sign in with Acme' }).click();
  // The provider remembers her, and she comes back to where she wanted to go.
  await page.waitForURL(/\/p\/1\/traces/);
  await page.goto(`${server.url}/settings?project=1`);
  await signedInAs(page, 'ann@example.com');

  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await page.waitForURL((url) => url.origin === provider.issuer);
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.waitForURL(/\/sign-in/);
  await page.getByRole('link', { name: 'Sign in with Acme' }).click();
  await page.getByPlaceholder('Enter any login').waitFor();
  await page.context().close();
});

test('a sign-out at the provider ends the session at once', async () => {
  const page = await open();
  await signIn(page, 'ann', '/settings?project=1');
  await signedInAs(page, 'ann@example.com');
  const elsewhere = await page.context().newPage();
  await elsewhere.goto(`${provider.issuer}/session/end`);
  await elsewhere.getByRole('button', { name: 'Yes, sign me out' }).click();
  const ends = () => server.command('audit', 'list', '--action', 'session.delete');
  await eventually('the provider reports the sign-out', () => ends().includes('back_channel_logout'));
  await page.goto(`${server.url}/p/1`);
  await page.waitForURL(/\/sign-in/);
  await page.context().close();
});

test('a session is renewed without a click, also with a new key, until the person is removed at the provider', async () => {
  server.command('user', 'create', 'bob@example.com', '--role', 'viewer');
  const page = await open();
  await signIn(page, 'bob', '/settings?project=1');
  await signedInAs(page, 'bob@example.com');
  const cookie = async () => (await page.context().cookies(server.url)).find(({ name }) => /^hinomi_session_\d+$/.test(name))?.value;
  const ended = page.getByRole('heading', { name: 'Sign in', exact: true });
  const visit = async () => {
    await page.goto(`${server.url}/settings?project=1`);
    // The page may go through the provider first.
    await page.getByText('Signed in as bob@example.com.').or(ended).waitFor({ timeout: 10_000 });
    return cookie();
  };

  const first = await cookie();
  const second = await eventually('the session is renewed', async () => (await visit()) !== first && cookie(), { seconds: 3 * SESSION_S });
  await signedInAs(page, 'bob@example.com');
  provider.replaceKey(server.url);
  await eventually('the session is renewed with the new key', async () => (await visit()) !== second, { seconds: 3 * SESSION_S });
  await signedInAs(page, 'bob@example.com');

  provider.remove('bob');
  await eventually('the access ends', async () => (await visit(), await ended.isVisible()), { seconds: 3 * SESSION_S });
  await page.getByText('The identity provider asks you to sign in again.').waitFor();
  const answer = await page.evaluate(() => fetch('/api/v1/projects/1/summary').then(({ status }) => status));
  assert.equal(answer, 401);
  await page.context().close();
});
