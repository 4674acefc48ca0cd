// Runs a program in a browser, on a page of its own site.
import { cpSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { packagesOf, programs } from './support.mjs';

const VITE = fileURLToPath(new URL('../web/node_modules/vite/dist/node/index.js', import.meta.url));

/** The program and its packages in one file, with readable lines. */
async function bundle(program, set) {
  const { build } = await import(VITE);
  const root = packagesOf(set);
  const entry = path.join(root, program);
  cpSync(path.join(programs, program), entry);
  const { output } = await build({ root, configFile: false, logLevel: 'error', build: { write: false, minify: false, target: 'esnext', rollupOptions: { input: entry } } });
  return output[0].code;
}

/** Opens the page once for each of the words that its address names, and waits until all of it was sent. */
export async function runInBrowser(program, set, { dsn, words }) {
  const files = {
    '/app.js': ['text/javascript', await bundle(program, set)],
    '/': ['text/html', '<!doctype html><title>shop</title><button id="buy">Buy</button><script type="module" src="/app.js"></script>'],
  };
  const site = createServer((request, response) => {
    const [type, text] = files[new URL(request.url, 'http://site').pathname] ?? [];
    response.writeHead(type ? 200 : 404, { 'content-type': type ?? 'text/plain' }).end(text);
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    for (const word of words) {
      await page.goto(`http://127.0.0.1:${site.address().port}/?${new URLSearchParams({ [word]: '', dsn })}`);
      await page.waitForFunction(() => document.title === 'sent');
    }
  } finally {
    await browser.close();
    site.close();
  }
}
