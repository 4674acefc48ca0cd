// The bell, measured. First, how long it takes from the acknowledgement of a call to the message at the receiver: each of `rings` calls is of
// another user, and a rule rings for each user's first call. Then, what rules cost while spans come in: none, 100 and 1,000, of which each
// looks at one user, or each at all calls (with filters of their own, so that they share nothing; or alike but for window and threshold).
// Usage: HINOMI=path node bench/bell.mjs [--rings 120] [--pause 100] [--spans 20000] [--json FILE]
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { eventually, KEY, startReceiver, startServer } from '../e2e/support.mjs';

const { values: flags } = parseArgs({
  options: {
    rings: { type: 'string', default: '120' },
    pause: { type: 'string', default: '100' },
    spans: { type: 'string', default: '20000' },
    json: { type: 'string' },
  },
});
const hex = (number, digits) => number.toString(16).padStart(digits, '0');
/** Spans of one envelope of the second part: a transaction and its calls. */
const SPANS = 10;
const USERS = 1000;

/** A transaction with so many calls of a model. */
function envelope(number, user, calls = 1) {
  const now = Date.now() / 1000;
  const trace_id = hex(number + 1, 32);
  const data = {
    'gen_ai.system': 'openai',
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 500,
  };
  const span = (_, index) => ({
    trace_id,
    span_id: hex(index + 2, 16),
    parent_span_id: hex(1, 16),
    op: 'gen_ai.chat',
    start_timestamp: now - 2,
    timestamp: now - 1,
    data,
  });
  const payload = JSON.stringify({
    type: 'transaction',
    transaction: 'ask',
    user: { id: user },
    start_timestamp: now - 2,
    timestamp: now - 1,
    contexts: { trace: { trace_id, span_id: hex(1, 16), op: 'function' } },
    spans: Array.from({ length: calls }, span),
  });
  return `{}\n{"type":"transaction","length":${Buffer.byteLength(payload)}}\n${payload}\n`;
}

async function post(server, body) {
  const response = await fetch(`${server.url}/api/1/envelope/?sentry_key=${KEY}`, { method: 'POST', body });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

async function fromCallToMessage(rings, pause) {
  const [server, receiver] = await Promise.all([startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1' }), startReceiver()]);
  try {
    const target = await server.change('/alerts/targets', { name: 'program', address: { kind: 'webhook', url: receiver.url } });
    const rule = { name: 'First call', measure: 'cost', window: '1h', group_by: 'user', warning: 0, max_groups: 10_000, notify: { targets: [target.id] } };
    await server.change('/alerts/rules', rule);
    // The bell takes a new rule at once, but not within the request.
    await sleep(1500);
    const acknowledged = new Map();
    for (let number = 0; number < rings; number += 1) {
      await post(server, envelope(number, `u${number}`));
      acknowledged.set(`u${number}`, performance.now());
      await sleep(pause);
    }
    // A message may hold several rings, if the receiver was slower than they came.
    const told = () => receiver.told.flatMap(({ body, at }) => (body.data.gathered ?? [body.data]).map(({ group }) => [group.value, at]));
    await eventually('every ring', () => new Set(told().map(([user]) => user)).size === rings, { seconds: 60 });
    const took = told().map(([user, at]) => at - acknowledged.get(user));
    took.sort((a, b) => a - b);
    const quantile = (part) => Number(took[Math.min(took.length - 1, Math.ceil(part * took.length) - 1)].toFixed(1));
    return { rings: took.length, messages: receiver.told.length, p50_ms: quantile(0.5), p99_ms: quantile(0.99), most_ms: quantile(1) };
  } finally {
    receiver.stop();
    await server.stop();
  }
}

/** Processor time of a process and of its thread `alert`, in milliseconds, and its memory. */
function spent(pid) {
  const ms = (stat) => {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'));
  const bell = tasks.filter((stat) => stat.includes('(alert)')).map(ms);
  const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return { all: ms(readFileSync(`/proc/${pid}/stat`, 'utf8')), bell: bell.reduce((sum, one) => sum + one, 0), mb: Number(memory?.[1] ?? 0) / 1024 };
}

const WHICH = {
  'each of one user': (n) => ({ filter: `user:u${n}`, window: '1h' }),
  'each of all calls': (n) => ({ filter: `-user:x${n}`, window: '1h' }),
  'of all calls, alike': (n) => ({ window: `${1 + (n % 60)}m` }),
};

async function whatRulesCost(count, which, spans) {
  const server = await startServer();
  try {
    const rule = (n) => ({ name: `r${n}`, measure: 'cost', warning: 1e6 + n, ...WHICH[which](n) });
    const file = Array.from({ length: count }, (_, n) => Object.entries(rule(n)).map(([name, value]) => `${name} = ${JSON.stringify(value)}`));
    if (count > 0) server.apply(file.map((lines) => `[[rule]]\n${lines.join('\n')}\n`).join('\n'));
    // As if it had run for a while: caches are warm, the bell has taken the rules.
    for (let number = 0; number < 50; number += 1) await post(server, envelope(1_000_000 + number, `u${number}`, SPANS - 1));
    await eventually('the rules are in force', async () => {
      const { rules } = await server.ask('/alerts/rules');
      return rules.length === count && rules.every(({ now }) => now !== null);
    });
    await sleep(3000);
    const idle = spent(server.pid);
    const idleFor = performance.now();
    await sleep(4000);
    const before = spent(server.pid);
    const round_ms = (before.bell - idle.bell) / ((performance.now() - idleFor) / 1000);
    const started = performance.now();
    for (let number = 0; number * SPANS < spans; number += 8) {
      await Promise.all(Array.from({ length: 8 }, (_, n) => post(server, envelope(number + n, `u${(number + n) % USERS}`, SPANS - 1))));
    }
    const seconds = (performance.now() - started) / 1000;
    await sleep(1500);
    const after = spent(server.pid);
    const per = (ms) => Number(((ms * 1000) / spans).toFixed(1));
    return {
      rules: count,
      which: count ? which : 'none',
      all_ms_per_1000: per(after.all - before.all),
      bell_ms_per_1000: per(after.bell - before.bell),
      spans_per_s: Math.round(spans / seconds),
      idle_ms_per_s: Number(round_ms.toFixed(1)),
      mb: Number(after.mb.toFixed(0)),
    };
  } finally {
    await server.stop();
  }
}

const latency = await fromCallToMessage(Number(flags.rings), Number(flags.pause));
console.log(
  `${latency.rings} rings in ${latency.messages} messages, acknowledgement to receiver in ms: ` +
    `p50 ${latency.p50_ms}, p99 ${latency.p99_ms}, most ${latency.most_ms}\n`,
);
console.log('processor time in ms per 1,000 spans: of the whole server, and of the bell; when nothing comes, of the bell per second');
const rows = [];
console.log(['rules', 'which'.padEnd(22), 'server', '  bell', 'spans/s', 'idle', '  MB'].join('  '));
for (const [count, which] of [[0, 'each of one user'], ...Object.keys(WHICH).flatMap((which) => [[100, which], [1000, which]])]) {
  const row = await whatRulesCost(count, which, Number(flags.spans));
  rows.push(row);
  const cells = [row.all_ms_per_1000, row.bell_ms_per_1000, row.spans_per_s, row.idle_ms_per_s, row.mb];
  console.log([String(count).padStart(5), row.which.padEnd(22), ...cells.map((cell, at) => String(cell).padStart([6, 6, 7, 4, 4][at]))].join('  '));
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify({ latency, rules: rows }, null, 2)}\n`);
