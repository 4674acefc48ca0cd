// Every page, full of what strains a layout, at four widths or more: nothing scrolls sideways, lies on something else, is cut unsaid or cannot be reached.
// In Firefox, whose engine lays out in its own way, the same pages at two widths.
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
  // Usual screens, at which six figures stand in one line.
  common: { width: 1366, height: 768 },
  small: { width: 1280, height: 800 },
  laptop: { width: 1024, height: 768 },
  zoomed: { width: 720, height: 450, deviceScaleFactor: 2 },
  phone: { width: 390, height: 844 },
};
const LOOKS = [
  { theme: 'light', lang: 'en', sizes: ['desktop', 'laptop', 'zoomed', 'phone'], some: {} },
  // The texts of traces are the same in any language.
  { theme: 'dark', lang: 'ja', sizes: ['laptop', 'phone'], some: { '/p/$project/traces/$trace': [0, 1, 3, 4, 5, 6, 7, 12, 20, 21] } },
];
/** Where the columns are most: looked at in more widths. */
const MORE_SIZES = { '/p/$project': ['common', 'small'], '/p/$project/traces': ['common', 'small'] };
/** Which of the addresses of a route Firefox opens; else the first. */
const FIREFOX = {
  '/p/$project': [0, 2],
  '/p/$project/traces/$trace': [0, 1, 2, 5],
  '/p/$project/metrics': [0, 1],
};

/** Names of charts that say they show something and have no line or bar of any size. */
function chartsWithoutShape() {
  const plots = [...document.querySelectorAll('div[role=img]')].filter((plot) => !plot.querySelector('[data-testid=chart-empty]'));
  const isDrawn = (plot) => [...plot.querySelectorAll('svg path, svg rect')].some((shape) => shape.getTotalLength() > 0 && shape.getBoundingClientRect().width > 0);
  return plots.filter((plot) => !isDrawn(plot)).map((plot) => plot.getAttribute('aria-label') ?? '');
}

let server;
let pages;
before(async () => {
  server = await startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1', HINOMI_LOG: 'error' });
  const filled = await fill(server);
  pages = addresses(filled, server.project('empty').id);
});
after(() => server?.stop());

const only = process.env.PAGES;
const chosen = () => Object.entries(pages).filter(([route]) => !only || only.split(',').some((part) => route.endsWith(part)));

test('every route of the page is checked', async () => {
  const { browser, page } = await openPage(server, 'chrome');
  try {
    const known = await routes(page);
    assert.deepEqual([...known].filter((route) => !(route in pages)), [], 'add the new route to layout/pages.mjs');
    assert.deepEqual(Object.keys(pages).filter((route) => !known.has(route)), []);
  } finally {
    await browser.close();
  }
});

test('the page check finds each fault, and none on a good page', async () => {
  const { browser, page } = await openPage(server, 'chrome');
  const kinds = async (html) => {
    await page.setContent(`<!doctype html><body style="margin: 0; font: 14px/1.5 sans-serif">${html}`);
    return (await page.evaluate(faultsOfPage)).map(({ kind }) => kind);
  };
  const long = 'word'.repeat(60);
  const faulty = {
    'scrolls sideways': `<div style="width: 3000px; height: 10px"></div>`,
    'text on text': `<div style="height: 4px">first line</div><div>second line</div>`,
    'cut without an ellipsis': `<div style="width: 100px; overflow: hidden; white-space: nowrap">${long}</div>`,
    'cut with no way to read it whole': `<div style="width: 100px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis">${long}</div>`,
    'a figure is cut': `<div title="1,100,000,000,000" style="width: 40px; overflow: hidden; text-overflow: ellipsis">1,100,000,000,000</div>`,
    'outside of its container': `<div style="width: 100px; background: silver">${long.slice(0, 80)}</div>`,
    'a word broken into letters': `<div style="width: 12px; overflow-wrap: anywhere">assistant</div>`,
    'cannot be reached': `<button>below</button><div style="position: fixed; inset: 0; background: silver"></div>`,
  };
  const sound = {
    'an ellipsis with a tooltip': `<div title="${long}" style="width: 100px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis">${long}</div>`,
    'a box that scrolls': `<div style="width: 100px; overflow: auto; white-space: nowrap">${long}</div>`,
    'text that wraps': `<div style="width: 100px; overflow-wrap: anywhere">${long}</div><button>next</button>`,
    'text for readers of the screen': `<span style="position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)">${long}</span>`,
  };
  try {
    for (const [kind, html] of Object.entries(faulty)) assert.ok((await kinds(html)).includes(kind), kind);
    for (const [what, html] of Object.entries(sound)) assert.deepEqual(await kinds(html), [], what);
  } finally {
    await browser.close();
  }
});

for (const { theme, lang, sizes, some } of LOOKS) {
  test(`every page holds what it shows, ${theme}, ${lang}`, async (t) => {
    const { browser, page, errors } = await openPage(server, 'chrome');
    try {
      await setLook(page, { theme, lang });
      for (const [route, addresses] of chosen()) {
        await t.test(route, async () => {
          const found = [];
          for (const [at, [address, click]] of addresses.entries()) {
            if (some[route] && !some[route].includes(at)) continue;
            await page.setViewport(SIZES[sizes[0]]);
            await open(page, `${server.url}${address}`);
            if (click) await page.click(click);
            for (const size of [...sizes, ...(MORE_SIZES[route] ?? [])]) {
              await page.setViewport(SIZES[size]);
              await settled(page);
              const faults = await page.evaluate(faultsOfPage, { reach: !click });
              if (process.env.SHOTS) await page.screenshot({ path: `${SHOTS}${route.replaceAll(/[/$]+/g, '-')}-${at}-${size}-${lang}.png` });
              found.push(...faults.map(({ kind, where, text, more }) => `${size} ${address}${click ? ` after a click on ${click}` : ''}: ${kind}: "${text}" in ${where} (${more})`));
            }
          }
          assert.ok(found.length === 0, found.join('\n'));
        });
      }
      assert.equal(await page.evaluate(() => document.title.includes('owned')), false);
      // What is not there is asked for in vain, on purpose.
      assert.deepEqual(errors.filter((text) => !text.includes('404')), []);
    } finally {
      await browser.close();
    }
  });
}

test('every page opens in Firefox: no errors, charts are drawn, nothing scrolls sideways', async (t) => {
  const { browser, page, errors } = await openPage(server, 'firefox');
  try {
    for (const [route, addresses] of chosen()) {
      await t.test(route, async () => {
        errors.length = 0;
        const found = [];
        for (const address of FIREFOX[route] ?? [0]) {
          const [where] = addresses[address];
          for (const size of ['desktop', 'phone']) {
            await page.setViewport(SIZES[size]);
            if (size === 'desktop') await open(page, `${server.url}${where}`);
            await settled(page);
            const faults = await page.evaluate(faultsOfPage, { reach: false });
            found.push(...faults.filter(({ kind }) => kind === 'scrolls sideways').map(({ text, more }) => `${size} ${where}: "${text}" (${more})`));
            const empty = await page.evaluate(chartsWithoutShape);
            found.push(...empty.map((name) => `${size} ${where}: nothing is drawn in ${name}`));
          }
        }
        assert.ok(found.length === 0, found.join('\n'));
        assert.deepEqual(errors, []);
      });
    }
  } finally {
    await browser.close();
  }
});
