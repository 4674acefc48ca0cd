import { iso, START } from './data.mjs';

const set = (id, model, prices, more = {}) => ({
  id,
  model,
  provider: null,
  service_tier: null,
  input_above: null,
  from: null,
  until: null,
  prices,
  price: `own:${model}${more.from ? `@${more.from}` : ''}`,
  created_at: id === null ? null : iso(START - 86_400_000),
  ...more,
});

const prices = [
  set(3, 'llama-3.3-70b*', { hour: 2.5 }, { provider: 'vllm', from: '2026-11-01' }),
  set(2, 'gpt-4o', { input: 2.1, cache_read: 1, output: 8.5, web_search: 0.01 }, { from: '2026-06-01', service_tier: 'batch', input_above: 200_000 }),
  set(1, 'gpt-4o', { input: 2.25, output: 9 }, { from: '2026-01-01', until: '2026-06-01' }),
  set(null, 'my-painter', { image: 0.04 }),
];

export const unpriced = [
  {
    model: 'swallow-70b-instruct',
    provider: 'vllm',
    calls: 42,
    input_tokens: 81_200,
    output_tokens: 12_400,
    cache_read_tokens: 0,
    hours: 0.12,
    first_seen: iso(START),
    last_seen: iso(Date.now() - 600_000),
  },
];

export function ownPrices(method, id, body) {
  if (method === 'GET') return { prices, table: { date: '2026-11-09', models: 2330 } };
  const at = prices.findIndex((price) => price.id === id);
  if (method === 'DELETE') return prices.splice(at, 1) && null;
  if (method === 'PATCH') return Object.assign(prices[at], body);
  const { model, prices: of, ...more } = body;
  prices.unshift(set(100 + prices.length, model, of, more));
  return prices[0];
}

const CALLS = 27_413;
let job = null;

/** A job that takes some seconds, as the server's does. */
export function repriceJob(method, body) {
  if (method === 'POST')
    job = {
      id: (job?.id ?? 0) + 1,
      project_id: 1,
      kind: 'reprice',
      state: 'running',
      done: 0,
      total: CALLS,
      reason: null,
      created_at: iso(Date.now()),
      started_at: iso(Date.now()),
      ended_at: null,
      from: body.from ?? null,
      to: body.to ?? null,
      reached: iso(START),
      result: null,
      evaluator_id: null,
      outcomes: {},
    };
  if (job?.state === 'running') {
    const part = Math.min(1, (Date.now() - Date.parse(job.started_at)) / 15_000);
    const end = method === 'DELETE' ? 'cancelled' : part === 1 ? 'done' : null;
    Object.assign(job, { done: Math.round(part * CALLS), reached: iso(START + part * (Date.now() - START)) });
    if (end) Object.assign(job, { state: end, ended_at: iso(Date.now()), result: repriced(true) });
  }
  return job;
}

export const repriced = (dry) => ({
  calls: 2152,
  changed: dry ? 61 : 0,
  newly_priced: dry ? 42 : 0,
  no_longer_priced: 0,
  cost_before: 12.4187,
  cost_after: 12.5301,
  models: dry
    ? [
        { model: 'swallow-70b-instruct', calls: 42, cost_before: null, cost_after: 0.09, prices: ['own:swallow*@2026-11-01'] },
        { model: 'gpt-4o-2024-08-06', calls: 19, cost_before: 0.3112, cost_after: 0.3326, prices: ['own:gpt-4o+batch@2026-06-01'] },
      ]
    : [],
});
