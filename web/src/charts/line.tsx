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
  /** From the top down; the first is the one that the crosshair speaks of. */
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
    <Frame
      name={name}
      scale={scale}
      mark={mark}
      flag={flag ?? write}
      height={height}
      room={room}
      wantedTicks={wantedTicks}
      empty={max === 0}
    >
      <Lines series={series} n={n} top={scale.top} band={band} />
      {max > 0 && series.map((line, at) => <Label key={line.key} line={line} above={series[at - 1]} top={scale.top} />)}
    </Frame>
  );
}

const depthText = (value: number, top: number) => 100 - (value / top) * 100;

/** How far around its middle a label reaches, as a part of the width. */
const LABEL_SEARCH_DISTANCE = 0.07;
/** Room that a label needs above its line, in per cent of the height. */
const LABEL_CLEARANCE = 20;

export interface LabelPosition {
  left: number;
  top: number;
}

/** Where the name of a line stands clear of the line itself and of the one above; null where it stands clear nowhere. */
export function labelPosition(values: (number | null)[], above: (number | null)[] | undefined, top: number): LabelPosition | null {
  const n = values.length;
  const reach = Math.max(1, Math.ceil(n * LABEL_SEARCH_DISTANCE));
  let best: (LabelPosition & { free: number }) | null = null;
  for (let at = reach; at < n - reach; at += 1) {
    const near = values.slice(at - reach, at + reach + 1);
    if (near.includes(null)) continue;
    const own = depthText(Math.max(...near.map((value) => value ?? 0)), top);
    const roof = above ? depthText(Math.min(...above.slice(at - reach, at + reach + 1).map((value) => value ?? top)), top) : 0;
    const free = own - roof;
    if (free >= LABEL_CLEARANCE && free > (best?.free ?? 0)) best = { left: ((at + 0.5) / n) * 100, top: own, free };
  }
  return best;
}

/** The name of a line on the line; the key below names it where there is no room. */
function Label({ line, above, top }: { line: LineSeries; above: LineSeries | undefined; top: number }) {
  const spot = labelPosition(line.values, above?.values, top);
  return (
    spot && (
      <span className="chart-label" style={{ left: `${spot.left}%`, top: `calc(${spot.top}% - 9px)` }}>
        {line.label}
      </span>
    )
  );
}

/** Unbroken stretches: where there is no value there is a gap. */
export function unbrokenSegments(values: (number | null)[]): [number, number][][] {
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
function linePath(values: (number | null)[], top: number): string {
  return unbrokenSegments(values)
    .map((points) => {
      const [[x, value] = [0, 0]] = points;
      if (points.length === 1) return `M${x - 0.25} ${depthText(value, top).toFixed(2)}h.5`;
      return `M${points.map(([px, pv]) => `${px} ${depthText(pv, top).toFixed(2)}`).join('L')}`;
    })
    .join('');
}

/** The area between two lines, over the stretches where both have values. */
function areaPath(a: (number | null)[], b: (number | null)[], top: number): string {
  const upper = unbrokenSegments(a.map((value, at) => (b[at] === null || b[at] === undefined ? null : value)));
  return upper
    .filter((points) => points.length > 1)
    .map((points) => {
      const there = points.map(([px, value]) => `${px} ${depthText(value, top).toFixed(2)}`);
      const back = points.toReversed().map(([px]) => `${px} ${depthText(b[px - 0.5] ?? 0, top).toFixed(2)}`);
      return `M${[...there, ...back].join('L')}z`;
    })
    .join('');
}

const Lines = memo(function Lines({ series, n, top, band }: { series: LineSeries[]; n: number; top: number; band: boolean }) {
  const [first, next] = series;
  return (
    <svg className="chart-shapes" viewBox={`0 0 ${Math.max(1, n)} 100`} preserveAspectRatio="none" aria-hidden="true">
      {band && first && next && <path d={areaPath(first.values, next.values, top)} fill="var(--sunken)" />}
      {series.map(({ key, color, dashed, values }) => (
        <path
          key={key}
          className="chart-line"
          d={linePath(values, top)}
          style={{ stroke: color }}
          strokeDasharray={dashed ? '3 2' : undefined}
        />
      ))}
    </svg>
  );
});
