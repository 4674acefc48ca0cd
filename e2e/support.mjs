// What the tests share: a real server, a stand-in for the model's provider, programs with real SDKs, a real browser.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { withPage } from './page-proxy.mjs';

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

/** A server on a folder of its own, with environment variables beside the usual ones. */
export async function startServer(settings = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hinomi-e2e-'));
  const data = path.join(folder, 'data');
  const portFile = path.join(folder, 'port');
  const env = { ...process.env, HINOMI_DSN_KEY: KEY, HINOMI_DATA: data, HINOMI_LOG: 'warn', ...settings };
  const child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--port-file', portFile], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const port = await eventually('the server starts', () => readFileSync(portFile, 'utf8'));
  const url = `http://127.0.0.1:${port}`;
  const command = (...args) => {
    const { stdout, stderr, status } = spawnSync(binary, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`hinomi ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const token = command('token', 'create', '--admin');
  const server = {
    url,
    pid: child.pid,
    /** Rules and budgets, as text of a file. */
    apply(text) {
      const file = path.join(folder, 'alerts.toml');
      writeFileSync(file, text);
      command('alerts', 'apply', file, '--yes');
    },
    token,
    dsn: `http://${KEY}@127.0.0.1:${port}/1`,
    command,
    signInLink: () => command('login'),
    /** A project of its own: its number and its key. */
    project(name) {
      const dsn = new URL(command('project', 'create', name));
      return { id: Number(dsn.pathname.slice(1)), key: dsn.username };
    },
    async ask(where, project = 1) {
      const response = await fetch(`${url}/api/v1/projects/${project}${where}`, { headers: { authorization: `Bearer ${token}` } });
      if (!response.ok) throw new Error(`${where}: ${response.status} ${await response.text()}`);
      return response.json();
    },
    async change(where, body, { method = 'POST', project = 1 } = {}) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(`${url}/api/v1/projects/${project}${where}`, { method, headers, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${await response.text()}`);
      return response.status === 204 ? null : response.json();
    },
    /** Sends a file's text as it is. */
    async upload(where, text, project = 1) {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${url}/api/v1/projects/${project}${where}`, { method: 'POST', headers, body: text });
      if (!response.ok) throw new Error(`${where}: ${response.status} ${await response.text()}`);
      return response.json();
    },
    async stop() {
      child.kill();
      await new Promise((resolve) => child.once('exit', resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  // A page that no binary carries yet: its `web/dist`.
  return process.env.HINOMI_PAGE ? withPage(server, process.env.HINOMI_PAGE) : server;
}

/** A stand-in for the model's provider, whose answers are fixed, and which remembers what it was asked. */
export async function startProvider() {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), 'hinomi-provider-'));
  const log = path.join(folder, 'calls.jsonl');
  const child = spawn('python3', [path.join(here, 'programs/fake_llm.py'), '--port', String(port), '--log', log], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await eventually('the provider starts', async () => (await fetch(url).catch(() => null)) !== null);
  return {
    url,
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : []),
    stop() {
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A real mail server; `mails` grows with what it is given. */
export async function startMailServer(...args) {
  const python = path.join(cache, 'python/smtp/bin/python');
  const child = spawn(python, [path.join(here, 'programs/mail_server.py'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  const lines = () => out.split('\n').slice(0, -1);
  await eventually('the mail server starts', () => lines().length > 0);
  return { port: Number(lines()[0]), mails: () => lines().slice(1).map((line) => JSON.parse(line)), stop: () => child.kill() };
}

/** A program that is told of alerts: each message with its headers and when it came. */
export async function startReceiver() {
  const told = [];
  const server = createHttpServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    told.push({ headers: request.headers, text, body: JSON.parse(text), at: performance.now() });
    response.writeHead(204).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/hook`, told, stop: () => server.closeAllConnections() || server.close() };
}

/** Where programs lie. */
export const programs = path.join(here, 'programs');

/** Python with the packages of a set. */
export const pythonOf = (name) => path.join(cache, 'python', name, 'bin/python');

/** Where the packages of a set lie. */
export const packagesOf = (set) => path.join(cache, set);

/** Whether the packages of a set are installed. */
export const isInstalled = (set) => existsSync(packagesOf(set));

/**
 * The cases that the variable `CLIENTS` selects: `all`, `newest` for those whose packages are installed, `TEXT|TEXT` for those whose name
 * contains one of the texts; without it those that are fast.
 */
export function chooseCases(cases) {
  const wanted = process.env.CLIENTS ?? '';
  return cases.filter(({ name, fast, set }) => {
    if (wanted === 'all') return true;
    if (wanted === 'newest') return isInstalled(set);
    return wanted ? wanted.split('|').some((text) => name.includes(text)) : fast;
  });
}

/** The set of programs whose SDK is a package of Debian. */
export const DEBIAN = 'debian';

/** The command that runs a program with the packages of a set: `python/NAME`, `node/NAME` or `DEBIAN`. */
function command(program, set, folder) {
  if (set === DEBIAN) return [...(program.endsWith('.rb') ? ['ruby'] : ['go', 'run']), path.join(programs, program)];
  const packages = packagesOf(set);
  if (!isInstalled(set)) throw new Error(`the packages of ${set} are not installed: scripts/setup.sh e2e-all`);
  if (program.endsWith('.py')) return [path.join(packages, 'bin/python'), path.join(programs, program)];
  if (program.endsWith('.sh')) return ['sh', path.join(programs, program)];
  // Node looks for packages where the program lies.
  for (const name of readdirSync(programs).filter((name) => name.endsWith('.mjs') || name === program.replace('_app.mjs', ''))) {
    cpSync(path.join(programs, name), path.join(packages, name), { recursive: true });
  }
  const first = folder.sentry ? ['--import', './sentry_instrument.mjs'] : [];
  return [process.execPath, ...first, program];
}

/** Runs one of the programs with one set of packages, and environment variables of its own, to its end; answers what it printed. */
export function run(program, set, { dsn = '', provider, args = [], settings = {}, seconds = 60 }) {
  const [name, ...first] = command(program, set, { sentry: dsn !== '' });
  const home = mkdtempSync(path.join(tmpdir(), 'hinomi-home-'));
  const own = {
    HOME: home,
    // Debian's Go packages are a workspace as before modules.
    ...(set === DEBIAN ? { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: path.join(cache, 'go') } : {}),
    SENTRY_DSN: dsn,
    LLM_BASE_URL: provider?.url ?? '',
    OPENAI_API_KEY: 'none',
    ANTHROPIC_API_KEY: 'none',
    PYTHONIOENCODING: 'utf8',
    PATH: `${path.join(cache, set, 'node_modules/.bin')}:${path.join(cache, set, 'bin')}:${process.env.PATH}`,
    // Keep libraries from reporting elsewhere.
    TRACELOOP_TELEMETRY: 'false',
    ANONYMIZED_TELEMETRY: 'false',
    DO_NOT_TRACK: '1',
    OPENAI_AGENTS_DISABLE_TRACING: '1',
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    HF_HUB_DISABLE_TELEMETRY: '1',
  };
  const work = program.endsWith('.sh') ? path.join(home, 'work') : set.startsWith('node/') ? path.join(cache, set) : here;
  mkdirSync(work, { recursive: true });
  const child = spawn(name, [...first, ...args], { env: { ...process.env, ...own, ...settings }, cwd: work, timeout: seconds * 1000, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      // Some leave a child behind that still writes, such as an installer.
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
      resolve({ out, err, status });
    });
  });
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
