// Every page, full of what strains a layout, at four widths: nothing scrolls sideways, lies on something else, is cut unsaid or cannot be reached.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { open, openPage, setLook, settled } from '../layout/browser.mjs';
import { faultsOfPage } from '../layout/faults.mjs';
import { fill } from '../layout/nasty.mjs';
import { addresses, routes } from '../layout/pages.mjs';
import { startServer } from '../support.mjs';

const SHOTS = new URL('../shots/layout/', import.meta.url).pathname;
mkdirSync(SHOTS, { recursive: true });

/** At 200 % a window of 1440 has room for 720. */
const SIZES = {
  desktop: { width: 1440, height: 900 },
  laptop: { width: 1024, height: 768 },
  zoomed: { width: 720, height: 450, deviceScaleFactor: 2 },
  phone: { width: 390, height: 844 },
};
const LOOKS = [
  { theme: 'light', lang: 'en', sizes: ['desktop', 'laptop', 'zoomed', 'phone'] },
  { theme: 'dark', lang: 'ja', sizes: ['laptop', 'phone'] },
];
/** Pages with faults that are known. Nothing may be added. */
const KNOWN = new Set([
  '/p/$project',
  '/p/$project/setup',
  '/p/$project/bill',
  '/p/$project/traces',
  '/p/$project/traces/$trace',
  '/p/$project/issues',
  '/p/$project/issues/$issue',
  '/p/$project/metrics',
  '/p/$project/alerts',
  '/p/$project/alerts/incidents/$incident',
  '/p/$project/alerts/rules/$rule',
  '/p/$project/alerts/budgets/$budget',
  '/p/$project/alerts/deliveries',
  '/p/$project/alerts/targets',
  '/settings',
  '/system',
]);

let server;
let pages;
before(async () => {
  server = await startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1' });
  const filled = await fill(server);
  pages = addresses(filled, server.project('empty').id);
});
after(() => server?.stop());

const only = process.env.PAGES;
const chosen = () => Object.entries(pages).filter(([route]) => !only || only.split(',').some((part) => route.endsWith(part)));

test('every route of the page is looked at', async () => {
  const { browser, page } = await openPage(server, 'chrome');
  try {
    const known = await routes(page);
    assert.deepEqual([...known].filter((route) => !(route in pages)), [], 'add the new route to layout/pages.mjs');
    assert.deepEqual(Object.keys(pages).filter((route) => route !== 'no route' && !known.has(route)), []);
  } finally {
    await browser.close();
  }
});

for (const { theme, lang, sizes } of LOOKS) {
  test(`every page holds what it shows, ${theme}, ${lang}`, async (t) => {
    const { browser, page, errors } = await openPage(server, 'chrome');
    try {
      await setLook(page, { theme, lang });
      for (const [route, addresses] of chosen()) {
        await t.test(route, { todo: KNOWN.has(route) }, async () => {
          const found = [];
          for (const [at, address] of addresses.entries()) {
            await page.setViewport(SIZES[sizes[0]]);
            await open(page, `${server.url}${address}`);
            for (const size of sizes) {
              await page.setViewport(SIZES[size]);
              await settled(page);
              const faults = await page.evaluate(faultsOfPage);
              if (process.env.SHOTS) await page.screenshot({ path: `${SHOTS}${route.replaceAll(/[/$]+/g, '-')}-${at}-${size}-${lang}.png` });
              found.push(...faults.map(({ kind, where, text, more }) => `${size} ${address}: ${kind}: "${text}" in ${where} (${more})`));
            }
          }
          assert.ok(found.length === 0, found.join('\n'));
        });
      }
      assert.equal(await page.evaluate(() => document.title.includes('owned')), false);
    } finally {
      await browser.close();
    }
  });
}
