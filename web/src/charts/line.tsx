import { memo, useMemo } from 'react';
import type { Pieces } from '../format';
import { Frame } from './frame';
import { useAxis } from './group';
import { niceScale } from './scale';

export interface LineSeries {
  key: string;
  label: string;
  color: string;
  dashed?: boolean;
  values: (number | null)[];
}

interface LineChartProps {
  name: string;
  /** The first is the one that the crosshair speaks of. */
  series: LineSeries[];
  mark: (value: number) => Pieces;
  flag?: (at: number) => Pieces | null;
  /** Fill between the first two lines. */
  band?: boolean;
  height?: number;
  room?: number;
  wantedTicks?: number;
}

export function LineChart({ name, series, mark, flag, band = false, height, room, wantedTicks }: LineChartProps) {
  const { times } = useAxis();
  const n = times.length;
  const max = useMemo(() => Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))), [series]);
  const scale = useMemo(() => niceScale(max, 2), [max]);
  const write = (at: number) => {
    const value = series[0]?.values[at];
    return value === null || value === undefined ? null : mark(value);
  };
  return (
    <Frame name={name} scale={scale} mark={mark} flag={flag ?? write} height={height} room={room} wantedTicks={wantedTicks} empty={max === 0}>
      <Lines series={series} n={n} top={scale.top} band={band} />
      {max > 0 && series.map((line) => <Label key={line.key} line={line} n={n} top={scale.top} />)}
    </Frame>
  );
}

const y = (value: number, top: number) => 100 - (value / top) * 100;

/** The name of a line on the line, where it has a value nearest to the middle. */
function Label({ line, n, top }: { line: LineSeries; n: number; top: number }) {
  const middle = Math.floor(n * 0.6);
  for (let off = 0; off < n; off += 1) {
    for (const at of [middle + off, middle - off]) {
      const value = line.values[at];
      if (value !== null && value !== undefined) {
        return (
          <span className="lb" style={{ left: `${((at + 0.5) / n) * 100}%`, top: `calc(${y(value, top)}% - 10px)`, transform: 'translate(-50%,-50%)' }}>
            {line.label}
          </span>
        );
      }
    }
  }
  return null;
}

/** Unbroken stretches: where there is no value there is a gap. */
export function stretches(values: (number | null)[]): [number, number][][] {
  const result: [number, number][][] = [];
  let open: [number, number][] | null = null;
  values.forEach((value, at) => {
    if (value === null) open = null;
    else if (open) open.push([at + 0.5, value]);
    else result.push((open = [[at + 0.5, value]]));
  });
  return result;
}

/** A stretch of one bucket is drawn half a bucket wide, or it could not be seen. */
function path(values: (number | null)[], top: number): string {
  return stretches(values)
    .map((points) => {
      const [[x, value] = [0, 0]] = points;
      if (points.length === 1) return `M${x - 0.25} ${y(value, top).toFixed(2)}h.5`;
      return `M${points.map(([px, pv]) => `${px} ${y(pv, top).toFixed(2)}`).join('L')}`;
    })
    .join('');
}

/** The area between two lines, over the stretches where both have values. */
function area(a: (number | null)[], b: (number | null)[], top: number): string {
  const upper = stretches(a.map((value, at) => (b[at] === null || b[at] === undefined ? null : value)));
  return upper
    .filter((points) => points.length > 1)
    .map((points) => {
      const there = points.map(([px, value]) => `${px} ${y(value, top).toFixed(2)}`);
      const back = points.toReversed().map(([px]) => `${px} ${y(b[px - 0.5] ?? 0, top).toFixed(2)}`);
      return `M${[...there, ...back].join('L')}z`;
    })
    .join('');
}

const Lines = memo(function Lines({ series, n, top, band }: { series: LineSeries[]; n: number; top: number; band: boolean }) {
  const [first, next] = series;
  return (
    <svg className="p" viewBox={`0 0 ${Math.max(1, n)} 100`} preserveAspectRatio="none" aria-hidden="true">
      {band && first && next && <path d={area(first.values, next.values, top)} fill="var(--sunken)" />}
      {series.map(({ key, color, dashed, values }) => (
        <path key={key} className="ln" d={path(values, top)} style={{ stroke: color }} strokeDasharray={dashed ? '3 2' : undefined} />
      ))}
    </svg>
  );
});
