// What the page does when the server is gone or slow, and what it keeps while somebody looks elsewhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser, startServer } from '../support.mjs';

let server;
before(async () => {
  server = await startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1' });
});
after(() => server?.stop());

/** A signed-in page; errors of the console are of no account where the test breaks the line itself. */
async function onPage(path, run) {
  const { browser, page } = await openBrowser(server);
  try {
    await page.goto(`${server.url}${path}`);
    await page.getByRole('heading').first().waitFor();
    await run(page);
  } finally {
    await browser.close();
  }
}

const banner = (page) => page.getByRole('alert').filter({ hasText: 'The server is not responding' });

test('the page reports an unreachable server until it is back', () =>
  onPage('/p/1/setup', async (page) => {
    await page.route('**/api/**', (route) => route.abort());
    await banner(page).waitFor({ timeout: 20_000 });
    await page.unroute('**/api/**');
    await banner(page).getByRole('button', { name: 'Try again' }).click();
    await banner(page).waitFor({ state: 'detached' });
  }));

test('the frame is shown before the code of the page has loaded', () =>
  onPage('/p/1/setup', async (page) => {
    let go;
    const held = new Promise((resolve) => (go = resolve));
    await page.route('**/assets/*.js', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${server.url}/p/1/setup`, { waitUntil: 'commit' });
    await page.getByRole('status', { name: 'Hinomi' }).waitFor();
    go();
    await page.getByRole('heading', { name: 'Your DSN' }).waitFor();
  }));

test('a page whose code cannot be loaded says so, and loads later', () =>
  onPage('/p/1/setup', async (page) => {
    await page.route('**/assets/**', (route) => route.abort());
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Metrics' }).click();
    await page.getByText('This page could not be loaded').waitFor();
    assert.equal(await page.getByRole('navigation', { name: 'Main' }).isVisible(), true);
    await page.unroute('**/assets/**');
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.getByRole('heading').first().waitFor();
    await page.getByText('This page could not be loaded').waitFor({ state: 'detached' });
    assert.match(page.url(), /\/metrics/);
  }));

test('a slow page shows that it is loading', () =>
  onPage('/p/1/setup', async (page) => {
    let go;
    const held = new Promise((resolve) => (go = resolve));
    await page.route('**/assets/**', async (route) => {
      await held;
      await route.continue();
    });
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Metrics' }).click();
    await page.getByRole('progressbar').waitFor();
    await page.getByRole('status', { name: 'Loading' }).first().waitFor();
    go();
    await page.getByRole('progressbar').waitFor({ state: 'detached' });
    await page.getByRole('heading').first().waitFor();
  }));

test('an unknown path keeps the side bar and the project', () =>
  onPage('/p/1/no-such-page', async (page) => {
    await page.getByRole('heading', { name: 'Page not found' }).waitFor();
    assert.equal(await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Traces' }).isVisible(), true);
    assert.equal(await page.getByRole('button', { name: 'Default' }).isVisible(), true);
  }));

test('a signing secret is shown until it is confirmed, also after visiting another page', () =>
  onPage('/p/1/alerts/targets', async (page) => {
    await page.getByLabel('Type').selectOption('webhook');
    await page.getByLabel('Name', { exact: true }).fill('On call');
    await page.getByLabel('URL').fill('http://127.0.0.1:9/hook');
    await page.getByRole('button', { name: 'Save' }).click();
    const secret = page.getByRole('region', { name: 'Signing secret for On call' });
    await secret.getByText(/^whsec_/).waitFor();
    await page.getByRole('table').getByText('On call').waitFor();
    const navigation = page.getByRole('navigation', { name: 'Alerts' });
    await navigation.getByRole('link', { name: 'Deliveries' }).click();
    await page.getByRole('heading', { name: 'Deliveries', exact: true }).waitFor();
    await navigation.getByRole('link', { name: 'Channels' }).click();
    await secret.getByText(/^whsec_/).waitFor();
    await secret.getByRole('button', { name: 'I have copied it' }).click();
    await secret.waitFor({ state: 'detached' });
  }));

test('a budget form keeps its input while a channel is created, and selects the channel', () =>
  onPage('/p/1/alerts/budgets/new', async (page) => {
    await page.getByLabel('Name', { exact: true }).fill('Spend of a day');
    await page.getByLabel('Amount', { exact: true }).fill('12');
    await page.getByRole('link', { name: 'New channel' }).click();
    await page.getByRole('heading', { name: 'Notification channels' }).waitFor();
    await page.getByRole('button', { name: 'New channel' }).click();
    await page.getByLabel('Type').selectOption('webhook');
    await page.getByLabel('Name', { exact: true }).fill('For the budget');
    await page.getByLabel('URL').fill('http://127.0.0.1:9/budget');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('table').getByText('For the budget').waitFor();
    await page.getByRole('link', { name: 'Back to budget' }).click();
    const notified = page.getByRole('group', { name: 'Notifications' });
    assert.ok(await notified.getByLabel('For the budget').isChecked(), 'the target that was made for this budget is chosen');
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Spend of a day');
    assert.equal(await page.getByLabel('Amount', { exact: true }).inputValue(), '12');
    await page.getByRole('button', { name: 'Discard changes' }).click();
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), '');
  }));

test('a failed save says what failed and how to allow it', async () => {
  const strict = await startServer();
  try {
    const { browser, page } = await openBrowser(strict);
    await page.goto(`${strict.url}/p/1/alerts/targets`);
    await page.getByLabel('Type').selectOption('webhook');
    await page.getByLabel('Name', { exact: true }).fill('On call');
    await page.getByLabel('URL').fill('http://127.0.0.1:9/hook');
    await page.getByRole('button', { name: 'Save' }).click();
    const alert = page.getByRole('alert');
    await alert.getByText('Not saved').waitFor();
    await alert.getByText('127.0.0.1 is a private address').waitFor();
    await alert.getByText('HINOMI_NOTIFY_ALLOW=127.0.0.1').waitFor();
    await browser.close();
  } finally {
    await strict.stop();
  }
});

test('times can be shown in any zone, found by its city', () =>
  onPage('/p/1/metrics', async (page) => {
    await page.getByRole('button', { name: 'UTC', exact: true }).click();
    await page.getByLabel('City, time zone or offset').fill('tokyo');
    await page.getByRole('button', { name: /Asia\/Tokyo/ }).click();
    await page.waitForURL(/tz=Asia%2FTokyo/);
    await page.getByRole('button', { name: 'Asia/Tokyo', exact: true }).waitFor();
  }));

test('after a minute without data the set-up says what to check; with data it leads to the newest trace', () =>
  onPage('/p/1/metrics', async (page) => {
    await page.clock.install();
    await page.goto(`${server.url}/p/1/setup?with=opentelemetry`);
    await page.getByRole('heading', { name: 'Waiting for the first span' }).waitFor();
    assert.equal(await page.getByText('No data yet? Check these').count(), 0);
    // What has no valid key is listed, with what to do about it.
    const wrong = `${server.url}/api/1/envelope/?sentry_key=${'0'.repeat(32)}&sentry_version=7`;
    assert.equal((await fetch(wrong, { method: 'POST', body: '{}' })).status, 401);
    await page.clock.fastForward(61_000);
    const checks = page.getByRole('region', { name: 'No data yet? Check these' });
    await checks.getByText(`curl ${new URL(server.dsn).origin}/healthz`).waitFor();
    await checks.getByText(new URL(server.dsn).username).waitFor();
    await page.getByText('No project here has this key').waitFor();
    await page.clock.resume();
    await page.getByRole('button', { name: 'Send test trace' }).click();
    await page.waitForURL(/traces\/[0-9a-f]{32}/);
    const trace = /traces\/([0-9a-f]{32})/.exec(page.url())[1];
    await page.goto(`${server.url}/p/1/setup`);
    await page.getByRole('link', { name: 'Open latest trace' }).click();
    await page.waitForURL(new RegExp(`traces/${trace}`));
  }));

test('the System page looks the same when opened after Alerts', () =>
  onPage('/system', async (page) => {
    const look = async () => {
      await page.getByRole('heading', { level: 2 }).first().waitFor();
      await page.waitForFunction(() => !document.querySelector('[data-testid=skeleton]'));
      return page.evaluate(() => ({
        width: document.scrollingElement.scrollWidth,
        parts: [...document.querySelectorAll('main section')].map((part) => [getComputedStyle(part).display, part.getBoundingClientRect().width]),
      }));
    };
    const first = await look();
    const main = page.getByRole('navigation', { name: 'Main' });
    await main.getByRole('link', { name: 'Alerts' }).click();
    await page.getByRole('navigation', { name: 'Alerts' }).waitFor();
    await main.getByRole('link', { name: 'System' }).click();
    assert.deepEqual(await look(), first);
  }));
