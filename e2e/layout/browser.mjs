// Debian's chromium and Firefox, by the same driver.
import puppeteer from 'puppeteer-core';

const BROWSERS = {
  chrome: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--force-prefers-reduced-motion'] },
  firefox: { executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', extraPrefsFirefox: { 'ui.prefersReducedMotion': 1 } },
};

/** A signed-in page. What it logs as an error, or asks for in vain, is in `errors`. */
export async function openPage(server, browserName) {
  const browser = await puppeteer.launch({ browser: browserName, headless: true, ...BROWSERS[browserName] });
  const page = await browser.newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.setViewport({ width: 1440, height: 900 });
  await page.goto(server.signInLink(), { waitUntil: 'load' });
  await page.waitForSelector('main');
  return { browser, page, errors };
}

/** Theme and language of what is opened from now on. */
export async function setLook(page, { theme, lang }) {
  await page.evaluate((prefs) => localStorage.setItem('hinomi.prefs', JSON.stringify({ ...prefs, project: 1 })), { theme, lang });
}

/** Opens an address and waits until the page has what it asked for. */
export async function open(page, address) {
  await page.goto(address, { waitUntil: 'load' });
  await settled(page);
}

/** Nothing more is loading: no skeleton, no part paler than it will be, and two frames alike. */
export async function settled(page) {
  await page.waitForFunction(
    () => document.querySelector('#root *') && document.readyState === 'complete' && !document.querySelector('[data-testid=skeleton], [aria-busy=true]') && !globalThis.__TSR_ROUTER__?.state.isLoading,
    { timeout: 20_000, polling: 50 },
  );
  await page.evaluate(async () => {
    await document.fonts.ready;
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    let last = '';
    for (let same = 0, at = 0; same < 3 && at < 60; at++) {
      await frame();
      const now = `${document.body.scrollHeight} ${document.body.getElementsByTagName('*').length} ${document.querySelector('[data-testid=skeleton]') !== null}`;
      same = now === last && !now.endsWith('true') ? same + 1 : 0;
      last = now;
    }
  });
}
