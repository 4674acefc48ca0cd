import { expect, it } from 'vitest';
import type { Metric } from '../../api/types';
import { selectedMetric, groupByPrefix, chartSeriesOf } from './chart-series';

const metric = (name: string): Metric => ({
  name,
  unit: '',
  kind: 'counter',
  description: `about ${name}`,
  temporality: ['delta'],
  attributes: [],
  reporter_attributes: [],
  measures: ['increase'],
  series: 1,
  last_at: '2026-11-23T00:00:00.000000Z',
});

it('puts metrics of one program together and finds by word', () => {
  const all = ['claude_code.cost.usage', 'claude_code.token.usage', 'gen_ai.client.token.usage'].map(metric);
  expect(groupByPrefix(all, '').map(([family, list]) => [family, list.length])).toEqual([
    ['claude', 2],
    ['gen', 1],
  ]);
  expect(groupByPrefix(all, 'TOKEN').flatMap(([, list]) => list.map(({ name }) => name))).toEqual([
    'claude_code.token.usage',
    'gen_ai.client.token.usage',
  ]);
});

it('selects the first metric if the selected one is missing', () => {
  expect(selectedMetric('b', ['a', 'b'], (one) => one)).toBe('b');
  expect(selectedMetric('z', ['a', 'b'], (one) => one)).toBe('a');
  expect(selectedMetric('z', [], (one) => one)).toBeUndefined();
});

it('draws series without a value of the attribute under a label of their own', () => {
  const lines = chartSeriesOf(
    [
      { key: 'gpt-4o', total: 3, points: [['2026-11-23T00:00:00Z', 3]] },
      { key: null, total: null, points: [['2026-11-23T00:00:00Z', null]] },
    ],
    'not set',
  );
  expect(lines.map(({ label, values }) => [label, values])).toEqual([
    ['gpt-4o', [3]],
    ['not set', [null]],
  ]);
});
