// How long it takes from the acknowledgement of a span to the message at the receiver: each of RINGS calls is of another user, and a
// rule rings for each user's first call. Usage: HINOMI=path node bench/bell.mjs [RINGS] [PAUSE_MS]
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, KEY, startReceiver, startServer } from '../e2e/support.mjs';

const rings = Number(process.argv[2] ?? 120);
const pause = Number(process.argv[3] ?? 100);
const hex = (number, digits) => number.toString(16).padStart(digits, '0');

function envelope(number) {
  const now = Date.now() / 1000;
  const trace_id = hex(number + 1, 32);
  const data = {
    'gen_ai.system': 'openai',
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 500,
  };
  const payload = JSON.stringify({
    type: 'transaction',
    transaction: 'ask',
    user: { id: `u${number}` },
    start_timestamp: now - 2,
    timestamp: now - 1,
    contexts: { trace: { trace_id, span_id: hex(1, 16), op: 'function' } },
    spans: [{ trace_id, span_id: hex(2, 16), parent_span_id: hex(1, 16), op: 'gen_ai.chat', start_timestamp: now - 2, timestamp: now - 1, data }],
  });
  return `{}\n{"type":"transaction","length":${Buffer.byteLength(payload)}}\n${payload}\n`;
}

const [server, receiver] = await Promise.all([startServer({ HINOMI_NOTIFY_ALLOW: '127.0.0.1' }), startReceiver()]);
try {
  const target = await server.change('/alerts/targets', { name: 'program', address: { kind: 'webhook', url: receiver.url } });
  const rule = { name: 'First call', measure: 'cost', window: '1h', group_by: 'user', warning: 0, most_groups: 10_000, notify: { targets: [target.id] } };
  await server.change('/alerts/rules', rule);
  // The bell takes a new rule at once, but not within the request.
  await sleep(1500);
  const acknowledged = new Map();
  for (let number = 0; number < rings; number += 1) {
    const response = await fetch(`${server.url}/api/1/envelope/?sentry_key=${KEY}`, { method: 'POST', body: envelope(number) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    acknowledged.set(`u${number}`, performance.now());
    await sleep(pause);
  }
  // A message may hold several rings, if the receiver was slower than they came.
  const told = () => receiver.told.flatMap(({ body, at }) => (body.data.gathered ?? [body.data]).map(({ group }) => [group.value, at]));
  await eventually('every ring', () => new Set(told().map(([user]) => user)).size === rings, { seconds: 60 });
  const took = told().map(([user, at]) => at - acknowledged.get(user));
  took.sort((a, b) => a - b);
  const quantile = (part) => took[Math.min(took.length - 1, Math.ceil(part * took.length) - 1)].toFixed(1);
  console.log(`${took.length} rings in ${receiver.told.length} messages, acknowledgement to receiver in ms: p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, most ${quantile(1)}`);
} finally {
  receiver.stop();
  await server.stop();
}
