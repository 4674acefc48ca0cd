import { memo, useMemo } from 'react';
import type { Severity, Unit } from '../../api/types';
import { useAxis } from '../../charts';
import { Frame } from '../../charts/frame';
import { unbrokenSegments } from '../../charts/line';
import { depthOf, signedScale, type Scale } from '../../charts/scale';
import { plain } from '../../format';
import { Icon } from '../../components/icons';
import { useLocale } from '../../locale';
import { metricValue } from './labels';

export interface Threshold {
  value: number;
  severity: Severity | 'resolve';
}

export interface FiredInterval {
  /** Where on the axis, in buckets. */
  from: number;
  to: number;
  severity: Severity;
}

interface ThresholdChartProps {
  name: string;
  unit: Unit;
  values: (number | null)[];
  levels: Threshold[];
  firedIntervals: FiredInterval[];
  height?: number;
}

/** The course of a figure against its thresholds; where it rang is a band with a bell. */
export function ThresholdChart({ name, unit, values, levels, firedIntervals: rings, height = 200 }: ThresholdChartProps) {
  const { times } = useAxis();
  const { format } = useLocale();
  const n = Math.max(1, times.length);
  const shown = useMemo(() => [0, ...values.map((value) => value ?? 0), ...levels.map(({ value }) => value)], [values, levels]);
  const scale = useMemo(() => signedScale(Math.min(...shown), Math.max(...shown)), [shown]);
  const mark = (value: number) => metricValue(format, value, unit);
  return (
    <Frame
      name={name}
      scale={scale}
      mark={mark}
      flag={(at) => {
        const value = values[at];
        return value === null || value === undefined ? null : mark(value);
      }}
      height={height}
      room={60}
      wantedTicks={5}
      empty={values.every((value) => value === null) && levels.length === 0}
    >
      {rings.map((firedInterval) => (
        <div
          key={firedInterval.from}
          className={firedInterval.severity === 'critical' ? 'chart-band is-critical' : 'chart-band'}
          style={{
            left: `${(firedInterval.from / n) * 100}%`,
            width: `${Math.max(0.4, ((firedInterval.to - firedInterval.from) / n) * 100)}%`,
          }}
        >
          <span aria-hidden="true">
            <Icon name="bell" size="tiny" />
          </span>
        </div>
      ))}
      <SeriesLine values={values} n={n} scale={scale} />
      {levels.map(({ value, severity }) => (
        <div
          key={`${severity} ${value}`}
          className={`alerts-threshold alerts-threshold-${severity}`}
          data-testid={`threshold-${severity}`}
          style={{ top: `${depthOf(value, scale)}%` }}
          title={plain(mark(value))}
        />
      ))}
    </Frame>
  );
}

const SeriesLine = memo(function Course({ values, n, scale }: { values: (number | null)[]; n: number; scale: Scale }) {
  const path = unbrokenSegments(values)
    .map((points) => {
      const [[x, value] = [0, 0]] = points;
      if (points.length === 1) return `M${x - 0.25} ${depthOf(value, scale).toFixed(2)}h.5`;
      return `M${points.map(([px, pv]) => `${px} ${depthOf(pv, scale).toFixed(2)}`).join('L')}`;
    })
    .join('');
  return (
    <svg className="chart-shapes" viewBox={`0 0 ${n} 100`} preserveAspectRatio="none" aria-hidden="true">
      <path className="chart-line" data-testid="series-line" d={path} style={{ stroke: 'var(--ink)' }} />
    </svg>
  );
});
