// Roles on the page: a viewer opens every page, clicks every button, and the server denies nothing that the page offers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { fill } from '../layout/nasty.mjs';
import { addresses } from '../layout/pages.mjs';
import { startServer } from '../support.mjs';

const PASSWORD = 'correct horse battery';
/** Buttons after which the session is another one. */
const ENDING = ['Sign out', 'Revoke', 'Set password', 'Change password'];

let server, browser, pages;
before(async () => {
  server = await startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1', HINOMI_LOG: 'error' });
  pages = addresses(await fill(server), server.project('empty').id);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A person with a role on the whole server, signed in; `denied` grows with what the server denies. */
async function signedIn(role) {
  const link = server.command('user', 'create', `${role}@example.com`, '--role', role).split(/\s+/).find((word) => word.includes('#token='));
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US', timezoneId: 'UTC' });
  const page = await context.newPage();
  await page.goto(`${server.url}/set-password${new URL(link).hash}`);
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.waitForURL(/\/p\/1/);
  const denied = [];
  page.on('response', (response) => response.status() === 403 && denied.push(`${response.request().method()} ${response.url()}`));
  return { page, denied };
}

const settled = (page) => page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => {});

/** Clicks what can be clicked and leads nowhere else, one after the other. */
async function clickAll(page) {
  await page.evaluate(async (ending) => {
    const place = location.pathname;
    for (const button of document.querySelectorAll('main button')) {
      if (location.pathname !== place) return;
      if (!button.isConnected || button.matches(':disabled') || ending.some((text) => button.textContent.includes(text))) continue;
      button.click();
      // What asks once more is answered.
      if (button.isConnected) button.click();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }, ENDING);
}

test('a viewer is offered nothing that the server denies', async () => {
  const { page, denied } = await signedIn('viewer');
  const found = {};
  for (const [route, list] of Object.entries(pages)) {
    if (route === '/sign-in' || route === '/set-password') continue;
    for (const [at, [address, click]] of list.entries()) {
      await page.goto(`${server.url}${address}`);
      await settled(page);
      if (click) await page.locator(click).first().click({ timeout: 2_000 }).catch(() => {});
      else if (at === 0) await clickAll(page);
      await settled(page);
      if (denied.length > 0) found[address] = [...denied];
      denied.length = 0;
    }
  }
  assert.deepEqual(found, {});
});

test('what a viewer may not do is absent, or disabled with the reason', async () => {
  const [page] = browser.contexts()[0].pages();
  await page.goto(`${server.url}/settings?project=1`);
  const needs = 'This needs the role admin in this project. Your role is: viewer.';
  await page.getByText(needs).first().waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).first().isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Save' }).first().isDisabled(), true);
  assert.equal(await page.getByRole('heading', { name: 'Members', exact: true }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'System' }).count(), 0);
  await page.goto(`${server.url}/system`);
  await page.getByText('This needs the role admin on this server. Your role is: viewer.').waitFor();
  await page.goto(`${server.url}/p/1/issues`);
  await page.getByRole('table').waitFor();
  assert.equal(await page.locator('.issues-select').count(), 0, 'selecting is for merging');
  await page.evaluate(() => localStorage.setItem('hinomi.prefs', JSON.stringify({ lang: 'ja', project: 1 })));
  await page.goto(`${server.url}/system`);
  await page.getByText('このサーバーで「管理者」のロールが必要です。現在のロール: 閲覧者').waitFor();
});

test('a member works with alerts and issues, and reads settings', async () => {
  const { page, denied } = await signedIn('member');
  await page.goto(`${server.url}/p/1/issues`);
  await page.locator('.issues-select').first().waitFor();
  await page.goto(`${server.url}/p/1/alerts`);
  await page.getByRole('link', { name: 'New rule' }).waitFor();
  await page.goto(`${server.url}/settings?project=1`);
  await page.getByRole('heading', { name: 'Members', exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Save' }).first().isDisabled(), true);
  await settled(page);
  assert.deepEqual(denied, []);
});
