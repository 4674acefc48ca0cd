// What the tests share: a real server, a stand-in for the model's provider, programs with real SDKs, a real browser.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = path.dirname(fileURLToPath(import.meta.url));
const cache = process.env.HINOMI_CACHE ?? path.join(homedir(), '.cache/hinomi');
const binary = process.env.HINOMI ?? path.join(cache, 'target/quick/hinomi');

export const KEY = '0123456789abcdef0123456789abcdef';

/** Tries until it holds, or says what it met last. */
export async function eventually(what, attempt, { seconds = 20 } = {}) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    try {
      const value = await attempt();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: last });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A server on a folder of its own. */
export async function startServer() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hinomi-e2e-'));
  const data = path.join(folder, 'data');
  const portFile = path.join(folder, 'port');
  const env = { ...process.env, HINOMI_DSN_KEY: KEY, HINOMI_DATA: data, HINOMI_LOG: 'warn' };
  const child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--port-file', portFile], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const port = await eventually('the server starts', () => readFileSync(portFile, 'utf8'));
  const url = `http://127.0.0.1:${port}`;
  const command = (...args) => {
    const { stdout, stderr, status } = spawnSync(binary, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`hinomi ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const token = command('token', 'create', '--admin');
  return {
    url,
    dsn: `http://${KEY}@127.0.0.1:${port}/1`,
    command,
    signInLink: () => command('login'),
    async ask(where, project = 1) {
      const response = await fetch(`${url}/api/v1/projects/${project}${where}`, { headers: { authorization: `Bearer ${token}` } });
      if (!response.ok) throw new Error(`${where}: ${response.status} ${await response.text()}`);
      return response.json();
    },
    async stop() {
      child.kill();
      await new Promise((resolve) => child.once('exit', resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A stand-in for the model's provider, whose answers are fixed. */
export async function startProvider() {
  const port = await freePort();
  const child = spawn('python3', [path.join(here, 'programs/fake_llm.py'), '--port', String(port)], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await eventually('the provider starts', async () => (await fetch(url).catch(() => null)) !== null);
  return { url, stop: () => child.kill() };
}

/** Runs one of the programs with one version of the SDK, and environment variables of its own, to its end; answers what it printed. */
export function run(program, sdk, { dsn = '', provider, args = [], settings = {} }) {
  const python = path.join(cache, 'python', sdk, 'bin/python');
  const own = { SENTRY_DSN: dsn, LLM_BASE_URL: provider.url, OPENAI_API_KEY: 'none', PYTHONIOENCODING: 'utf8' };
  const env = { ...process.env, ...own, ...settings };
  const child = spawn(python, [path.join(here, 'programs', program), ...args], { env });
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  return new Promise((resolve) => child.once('exit', (status) => resolve({ out, err, status })));
}

/** A browser with one signed-in page. What the page logs as an error fails `check`. */
export async function openBrowser(server, options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(server.signInLink());
  return { browser, context, page, errors };
}
