// Each snippet of the page's set-up that needs only Python or Node, with the newest packages, in an environment that holds what the
// snippet asks for and the program's own SDK of a model, and nothing else: the call must arrive with its model, tokens and prompt. It fetches some hundred
// megabytes each time, so it runs with `CLIENTS=all` (`make e2e-all`); `SNIPPETS=TEXT` picks those whose name holds the text.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, startProvider, startServer } from '../support.mjs';

const skip = process.env.CLIENTS !== 'all' && !process.env.SNIPPETS && 'fetches the newest packages: CLIENTS=all';
const WEB = fileURLToPath(new URL('../../web/', import.meta.url));
const QUESTION = 'What is the capital of France?';

/** The snippets as the page makes them: its own source, not a copy. */
async function loadSnippets() {
  const { build } = await import(path.join(WEB, 'node_modules/vite/dist/node/index.js'));
  const { output } = await build({ root: WEB, configFile: false, logLevel: 'error', build: { ssr: 'src/routes/setup/snippets/index.ts', write: false } });
  const { SNIPPETS, snippetText } = await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);
  return (id, dsn) => snippetText(SNIPPETS.find((snippet) => snippet.id === id).code(dsn, (key) => key));
}

let server;
let provider;
let snippet;
before(async () => {
  if (skip) return;
  [server, provider, snippet] = await Promise.all([startServer(), startProvider(), loadSnippets()]);
});
after(async () => {
  provider?.stop();
  await server?.stop();
});

function execute(command, args, { cwd, env = {}, seconds = 300 }) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, timeout: seconds * 1000, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (out += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => (status === 0 ? resolve(out) : reject(new Error(`${command} ${args.join(' ')}: ${status}\n${out}`))));
  });
}

/** What the line `pip install …` or `npm install …` of a snippet names, in a comment or not. */
const packagesOf = (text, installer) => {
  const words = new RegExp(`${installer} install (.*)`).exec(text)?.[1].split(/\s+/) ?? [];
  return words.filter((word) => !word.startsWith('-')).map((word) => word.replaceAll('"', ''));
};

/** An empty folder with a home of its own, and no variable of telemetry from outside. */
function place() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hinomi-snippet-'));
  const home = path.join(folder, 'home');
  mkdirSync(home);
  const env = {
    HOME: home,
    PATH: `${folder}/venv/bin:${folder}/node_modules/.bin:${process.env.PATH}`,
    OPENAI_API_KEY: 'none',
    OPENAI_BASE_URL: `${provider.url}/v1`,
    ANTHROPIC_API_KEY: 'sk-ant-test',
    ANTHROPIC_BASE_URL: provider.url,
  };
  return { folder, home, env, write: (name, text) => (mkdirSync(path.dirname(path.join(folder, name)), { recursive: true }), writeFileSync(path.join(folder, name), text)) };
}

async function python({ folder, env }, packages) {
  await execute('python3', ['-m', 'venv', 'venv'], { cwd: folder });
  if (packages.length > 0) await execute(`${folder}/venv/bin/pip`, ['install', '--quiet', ...packages], { cwd: folder, env });
}

async function node({ folder, write }, packages) {
  write('package.json', '{ "private": true }');
  await execute('npm', ['install', '--silent', '--no-audit', '--no-fund', ...packages], { cwd: folder });
}

const PYTHON = {
  openai: `
import openai
openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "${QUESTION}"}])
`,
  anthropic: `
import anthropic
anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=99, messages=[{"role": "user", "content": "${QUESTION}"}])
`,
};
const NODE = `
import OpenAI from 'openai';
await new OpenAI().chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: '${QUESTION}' }] });
`;

/** A coding agent: the packages of its newest version, and a shell in which the snippet's lines are. */
const agent = (id, name, prepare) => ({
  name: id,
  id,
  model: /claude|gpt|gemini/,
  async run(at, text) {
    await node(at, [name]);
    // Installers that put a program in place were skipped by none: npm runs them as for anybody.
    mkdirSync(path.join(at.folder, 'work'));
    const script = prepare(at, text);
    await execute('sh', ['-c', script], { cwd: path.join(at.folder, 'work'), env: { ...at.env, DISABLE_AUTOUPDATER: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }, seconds: 120 });
  },
});

const CASES = [
  ...['python', 'python-sdk-3'].flatMap((id) =>
    ['openai', 'anthropic'].map((sdk) => ({
      name: `${id}, with ${sdk} alone`,
      id,
      model: sdk === 'openai' ? /gpt-4o-mini/ : /claude-haiku-4-5/,
      async run(at, text) {
        await python(at, [...packagesOf(text, 'pip'), sdk]);
        at.write('app.py', `${text}\n${PYTHON[sdk]}`);
        await execute('python', ['app.py'], { cwd: at.folder, env: at.env });
      },
    })),
  ),
  {
    name: 'javascript',
    id: 'javascript',
    model: /gpt-4o-mini/,
    async run(at, text) {
      await node(at, [...packagesOf(text, 'npm'), 'openai']);
      at.write('instrument.mjs', text);
      at.write('app.mjs', NODE);
      await execute('sh', ['-c', /node --import .*/.exec(text)[0]], { cwd: at.folder, env: at.env });
    },
  },
  {
    name: 'opentelemetry',
    id: 'opentelemetry',
    model: /gpt-4o-mini/,
    async run(at, text) {
      await python(at, ['openai']);
      at.write('app.py', PYTHON.openai);
      // The shell runs it all, installation included.
      await execute('sh', ['-ec', text], { cwd: at.folder, env: at.env });
    },
  },
  {
    name: 'langfuse, python',
    id: 'langfuse',
    model: /gpt-4o-mini/,
    async run(at, text) {
      await python(at, ['langfuse', 'openai']);
      at.write('app.py', `${PYTHON.openai.replace('import openai', 'from langfuse import get_client\nfrom langfuse.openai import openai')}\nget_client().flush()\n`);
      await execute('sh', ['-ec', `${text}\npython app.py`], { cwd: at.folder, env: at.env });
    },
  },
  {
    name: 'langfuse, javascript',
    id: 'langfuse',
    model: /gpt-4o-mini/,
    async run(at, text) {
      await node(at, ['@langfuse/openai', '@langfuse/otel', '@opentelemetry/sdk-node', 'openai']);
      at.write('app.mjs', `
        import { NodeSDK } from '@opentelemetry/sdk-node';
        import { LangfuseSpanProcessor } from '@langfuse/otel';
        import { observeOpenAI } from '@langfuse/openai';
        const sdk = new NodeSDK({ spanProcessors: [new LangfuseSpanProcessor()] });
        sdk.start();
        ${NODE.replace('new OpenAI()', 'observeOpenAI(new OpenAI())')}
        await sdk.shutdown();
      `);
      await execute('sh', ['-ec', `${text}\nnode app.mjs`], { cwd: at.folder, env: at.env });
    },
  },
  {
    name: 'litellm',
    id: 'litellm',
    model: /gpt-4o-mini/,
    async run(at, text) {
      await python(at, []);
      const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: QUESTION }] });
      const call = `curl --silent --show-error --fail --retry 90 --retry-delay 1 --retry-all-errors http://127.0.0.1:4311/v1/chat/completions \
        --header "authorization: Bearer $LITELLM_MASTER_KEY" --header 'content-type: application/json' --data '${body}'`;
      // The proxy's callbacks run in the background, and send every five seconds.
      const once = (serve) => `${serve} --host 127.0.0.1 --port 4311 --telemetry False & proxy=$!\n${call}\nsleep 8\nkill $proxy\nwait $proxy || true`;
      await execute('sh', ['-ec', text.replace(/^litellm --config.*/m, once)], { cwd: at.folder, env: { ...at.env, OPENAI_API_BASE: at.env.OPENAI_BASE_URL, LITELLM_LOCAL_MODEL_COST_MAP: 'True' }, seconds: 900 });
    },
  },
  agent('claude-code', '@anthropic-ai/claude-code', (_, text) => text.replace(/claude$/, `claude -p '${QUESTION}'`)),
  agent('codex', '@openai/codex', ({ write }, text) => {
    const fake = ['model = "gpt-5-mini"', 'model_provider = "fake"', '[model_providers.fake]', 'name = "fake"', `base_url = "${provider.url}/v1"`, 'env_key = "OPENAI_API_KEY"', 'wire_api = "responses"'];
    write('home/.codex/config.toml', `${fake.join('\n')}\n${text}`);
    return `codex exec --skip-git-repo-check '${QUESTION}' < /dev/null`;
  }),
  agent('gemini-cli', '@google/gemini-cli', ({ write }, text) => {
    const settings = { ...JSON.parse(text), security: { auth: { selectedType: 'gemini-api-key' } }, general: { enableAutoUpdate: false } };
    write('home/.gemini/settings.json', JSON.stringify(settings));
    return `GOOGLE_GEMINI_BASE_URL=${provider.url} GEMINI_API_KEY=none GEMINI_CLI_TRUST_WORKSPACE=true gemini --model gemini-2.5-flash --yolo --prompt '${QUESTION}' < /dev/null`;
  }),
];

const chosen = CASES.filter(({ name }) => !process.env.SNIPPETS || name.includes(process.env.SNIPPETS));

for (const { name, id, model, run } of chosen) {
  test(`the snippet of ${name}, with the newest packages: the call arrives with model, tokens and prompt`, { skip }, async () => {
    // A server on this machine alone takes what comes without a key for project 1: Gemini's settings have no place for one.
    const { id: project, key } = id === 'gemini-cli' ? { id: 1, key: new URL(server.dsn).username } : server.project(name);
    const at = place();
    try {
      await run(at, snippet(id, `${server.url.replace('//', `//${key}@`)}/${project}`));
      let seen;
      await eventually('the call', async () => {
        const { spans } = await server.ask('/spans?limit=100', project);
        seen = spans.map(({ kind, name: called, model: by, usage }) => ({ kind, called, by, usage }));
        const details = await Promise.all(spans.map((span) => server.ask(`/traces/${span.trace_id}/spans/${span.span_id}`, project)));
        // Agents report the prompt in a span of its own, which a call hangs below.
        const asked = details.some(({ input_messages: messages }) => JSON.stringify(messages ?? '').includes(QUESTION));
        const called = spans.some(({ kind, model: by, usage }) => kind === 'llm' && model.test(by) && usage?.input_tokens > 0 && usage?.output_tokens > 0);
        return asked && called;
      }).catch((error) => assert.fail(`${error.message}: ${JSON.stringify(seen)}`));
    } finally {
      rmSync(at.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
    }
  });
}

test('the Python snippet does not affect a program without an LLM SDK', { skip: skip || chosen.length < CASES.length }, async () => {
  const at = place();
  try {
    const text = snippet('python', server.dsn);
    await python(at, packagesOf(text, 'pip'));
    at.write('app.py', `${text}\nprint("fine")\n`);
    assert.match(await execute('python', ['app.py'], { cwd: at.folder, env: at.env }), /fine/);
  } finally {
    rmSync(at.folder, { recursive: true, force: true });
  }
});
