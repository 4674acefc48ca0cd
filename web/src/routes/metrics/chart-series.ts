import type { Metric, MetricGroup, MetricMeasure } from '../../api/types';
import { paletteOf } from '../../colors';

/** As many lines as can be told apart. */
export const MAX_SERIES = 8;

/** Measures that add up: of several groups, one stands on the other. */
export const isAdditive = (measure: MetricMeasure) =>
  measure === 'increase' || measure === 'count' || measure === 'sum' || measure === 'rate';

/** Kept while the list holds it, else the first. */
export function selectedMetric<T>(wanted: string | undefined, all: readonly T[], name: (one: T) => string): T | undefined {
  return all.find((one) => name(one) === wanted) ?? all[0];
}

/** One name for a metric: its own, and its unit and kind where others share it. */
export const metricId = ({ name, unit, kind }: Pick<Metric, 'name' | 'unit' | 'kind'>) => [name, unit, kind].join('\n');

/** The metrics under the first word of their names, which says who reports them. */
export function groupByPrefix(metrics: readonly Metric[], words: string): [string, Metric[]][] {
  const wanted = words.trim().toLowerCase();
  const found = new Map<string, Metric[]>();
  for (const metric of metrics) {
    if (wanted && !`${metric.name} ${metric.description}`.toLowerCase().includes(wanted)) continue;
    const family = /^[^._/]+/.exec(metric.name)?.[0] ?? metric.name;
    found.set(family, [...(found.get(family) ?? []), metric]);
  }
  return [...found];
}

export interface ChartSeries {
  key: string;
  label: string;
  color: string;
  total: number | null;
  values: (number | null)[];
}

/** Groups as lines, no two in one colour. */
export function chartSeriesOf(groups: readonly MetricGroup[], unset: string): ChartSeries[] {
  const alone = groups.length === 1 && groups[0]?.key === null;
  const colorOf = paletteOf([]).among(groups.map(({ key }) => key));
  return groups.map(({ key, total, points }) => ({
    key: key ?? '\u0000',
    label: key ?? unset,
    color: alone ? 'var(--plot)' : colorOf(key),
    total,
    values: points.map(([, value]) => value),
  }));
}
