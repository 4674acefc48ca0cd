// Made-up metrics.
import { iso } from './data.mjs';

const metric = (name, unit, kind, attributes, measures, description = '') => ({
  name,
  unit,
  kind,
  description,
  temporality: ['delta'],
  attributes,
  reporter_attributes: ['host.name', 'service.name', 'service.version'],
  measures,
  series: 12,
  last_at: iso(Date.now() - 42_000),
});

export const metrics = [
  metric('claude_code.cost.usage', 'USD', 'counter', ['model', 'user.id'], ['increase', 'rate'], 'Cost of the Claude Code session'),
  metric('claude_code.token.usage', 'tokens', 'counter', ['model', 'type'], ['increase', 'rate'], 'Number of tokens used'),
  metric(
    'gen_ai.client.operation.duration',
    's',
    'histogram',
    ['gen_ai.request.model'],
    ['p95', 'p50', 'p99', 'mean', 'count', 'sum', 'rate'],
    'GenAI operation duration',
  ),
  metric('queue.length', '{job}', 'updown_counter', ['queue'], ['value', 'increase']),
];

const KEYS = ['claude-sonnet-4-5', 'claude-haiku-4-5', 'gpt-4o'];

export function metricSeries(params) {
  const found = metrics.find(({ name }) => name === params.get('name')) ?? metrics[0];
  const step = 1_800_000;
  const last = Math.floor(Date.now() / step) * step;
  const points = (size) =>
    Array.from({ length: 48 }, (_, at) => [iso(last - (47 - at) * step), Math.max(0, size * (1 + Math.sin(at / 5) + ((at * 7) % 5) / 5))]);
  const group = (key, size) => ({ key, total: size * 48, points: points(size) });
  const groups = params.get('group_by') ? KEYS.map((key, at) => group(key, 3 - at)) : [group(null, 6)];
  const measures = (params.get('measure') || found.measures[0]).split(',');
  return {
    bucket: '30m',
    name: found.name,
    unit: found.unit,
    kind: found.kind,
    measures: Object.fromEntries(measures.map((measure) => [measure, groups])),
    groups_left_out: 0,
    series_left_out: 0,
  };
}
