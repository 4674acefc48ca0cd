import { memo } from 'react';
import type { Severity, Unit } from '../../api/alert-types';
import { useAxis } from '../../charts';
import { Frame } from '../../charts/frame';
import { stretches } from '../../charts/line';
import { niceScale } from '../../charts/scale';
import { plain } from '../../format';
import { Icon } from '../../parts/icons';
import { useReader } from '../../reader';
import { figure } from './words';

export interface Level {
  value: number;
  severity: Severity | 'resolve';
}

export interface Ring {
  /** Where on the axis, in buckets. */
  from: number;
  to: number;
  severity: Severity;
}

interface LevelChartProps {
  name: string;
  unit: Unit;
  values: (number | null)[];
  levels: Level[];
  rings: Ring[];
  height?: number;
}

const y = (value: number, top: number) => 100 - (value / top) * 100;

/** The course of a figure against its thresholds; where it rang is a band with a bell. */
export function LevelChart({ name, unit, values, levels, rings, height = 200 }: LevelChartProps) {
  const { times } = useAxis();
  const { format } = useReader();
  const n = Math.max(1, times.length);
  const largest = Math.max(0, ...values.map((value) => value ?? 0), ...levels.map(({ value }) => value));
  const scale = niceScale(largest, 2);
  const mark = (value: number) => figure(format, value, unit);
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
      {rings.map((ring) => (
        <div
          key={ring.from}
          className={ring.severity === 'critical' ? 'band crit' : 'band'}
          style={{ left: `${(ring.from / n) * 100}%`, width: `${Math.max(0.4, ((ring.to - ring.from) / n) * 100)}%` }}
        >
          <span aria-hidden="true">
            <Icon name="bell" size="xs" />
          </span>
        </div>
      ))}
      <Course values={values} n={n} top={scale.top} />
      {levels.map(({ value, severity }) => (
        <div key={`${severity} ${value}`} className={`level ${severity}`} style={{ top: `${y(value, scale.top)}%` }} title={plain(mark(value))} />
      ))}
    </Frame>
  );
}

const Course = memo(function Course({ values, n, top }: { values: (number | null)[]; n: number; top: number }) {
  const path = stretches(values)
    .map((points) => {
      const [[x, value] = [0, 0]] = points;
      if (points.length === 1) return `M${x - 0.25} ${y(value, top).toFixed(2)}h.5`;
      return `M${points.map(([px, pv]) => `${px} ${y(pv, top).toFixed(2)}`).join('L')}`;
    })
    .join('');
  return (
    <svg className="p" viewBox={`0 0 ${n} 100`} preserveAspectRatio="none" aria-hidden="true">
      <path className="ln" d={path} style={{ stroke: 'var(--ink)' }} />
    </svg>
  );
});
