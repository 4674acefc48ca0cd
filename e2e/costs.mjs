// What calls of the provider's log must cost: tokens by bucket times the unit prices that the server names, multiplied out here.
import assert from 'node:assert/strict';

/** Who answers to the form of a request, unless a case says otherwise. */
const PROVIDERS = { chat: 'openai', responses: 'openai', embeddings: 'openai', messages: 'anthropic', google: 'google', bedrock: 'aws.bedrock', ollama: 'ollama' };
export const providerOf = (call, wants) => wants.provider ?? PROVIDERS[call.path.startsWith('/model/') ? 'bedrock' : call.api];

/** Buckets by the name of their price: that of the flag that asks for it, and ours. */
const BUCKETS = {
  input: ['input', 'input'],
  cache_read: ['cache-read', 'cached'],
  cache_write_5m: ['cache-write', 'written'],
  input_audio: ['input-audio', 'heard'],
  output: ['output', 'output'],
  reasoning: ['reasoning', 'reasoning'],
  output_audio: ['output-audio', 'spoken'],
};

const known = new Map();

/** Dollars for one token of each bucket, by `hinomi prices check`; null where the model has no price. */
export function unitPrices(server, model, provider, tier) {
  const key = `${provider} ${model} ${tier}`;
  if (!known.has(key)) known.set(key, ask(server, model, provider, tier));
  return known.get(key);
}

function ask(server, model, provider, tier) {
  const one = Object.values(BUCKETS).flatMap(([flag]) => [`--${flag}`, '1']);
  let said;
  try {
    said = server.command('prices', 'check', model, '--provider', provider, ...(tier ? ['--tier', tier] : []), ...one);
  } catch (error) {
    if (error.message.includes('no price for')) return null;
    throw error;
  }
  const lines = [...said.matchAll(/^ +(\w+) +1 × \$([\d.]+)\/M =/gm)];
  assert.ok(lines.length > 0, `prices of ${model}: ${said}`);
  return Object.fromEntries(lines.map(([, bucket, dollars]) => [BUCKETS[bucket][1], Number(dollars) / 1e6]));
}

/** Tokens of a call by buckets that do not overlap, of those that its client can tell. */
function buckets(call, { usage }, lacks) {
  const tells = (name, count) => (lacks.includes(name) ? 0 : (count ?? 0));
  const beside = ['messages', 'bedrock'].includes(call.api) ? (call.cached ?? 0) + (call.cache_write ?? 0) : 0;
  const [cached, written, reasoning] = [tells('cached', call.cached), tells('written', call.cache_write), tells('reasoning', call.reasoning)];
  const [heard, spoken] = [tells('audio', call.input_audio), tells('audio', call.output_audio)];
  const output = lacks.includes('output') ? usage.output_tokens : call.output_tokens;
  return { input: call.input_tokens + beside - cached - written - heard, cached, written, heard, output: output - reasoning - spoken, reasoning, spoken };
}

const times = (tokens, prices) => Object.entries(tokens).reduce((sum, [bucket, count]) => sum + count * (prices[bucket] ?? 0), 0);

/** Dollars that must be shown of a call, null for unknown. What the client does not tell cannot be counted, unless it tells its own bill. */
export function costOf(server, call, span, lacks, provider) {
  const prices = unitPrices(server, span.model, provider, lacks.includes('tier') ? null : call.tier);
  if (call.status !== 200 || !prices) return null;
  if (!call.usage_sent || lacks.includes('usage')) {
    if (span.usage?.source !== 'estimated') return null;
    return times({ input: span.usage.input_tokens, output: span.usage.output_tokens }, prices);
  }
  return times(buckets(call, span, span.cost?.source === 'client' ? [] : lacks), prices);
}

export const sameMoney = (one, other) => (one === null || other === null ? one === other : Math.abs(one - other) <= 1e-9);
