import { memo, useMemo } from 'react';
import type { Pieces } from '../format';
import { Frame } from './frame';
import { useAxis } from './group';
import { niceScale } from './scale';

export interface StackSeries {
  key: string;
  color: string;
  values: (number | null)[];
  /** What a click on a bar of it does, or Enter where the crosshair is. */
  onOpen?: (at: number) => void;
  openTitle?: string;
}

interface StackChartProps {
  name: string;
  /** From the ground up: what is steady first, so that what moves is on top. */
  series: StackSeries[];
  mark: (value: number) => Pieces;
  /** What the crosshair says; the sum of the bucket unless told otherwise. */
  flag?: (sum: number, at: number) => Pieces;
  height?: number;
  room?: number;
  wantedTicks?: number;
  lines?: number;
  /** For what is counted: no line stands at a fraction. */
  whole?: boolean;
}

export function StackChart({ name, series, mark, flag, height, room, wantedTicks, lines, whole = false }: StackChartProps) {
  const { times, filling } = useAxis();
  const n = times.length;
  const sums = useMemo(() => times.map((_, at) => series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0)), [times, series]);
  const scale = useMemo(() => niceScale(Math.max(0, ...sums), lines, whole), [sums, lines, whole]);
  const write = flag ?? mark;
  const opening = series.find(({ onOpen }) => onOpen);
  return (
    <Frame
      name={name}
      scale={scale}
      mark={mark}
      flag={(at) => (sums[at] === undefined ? null : write(sums[at], at))}
      onOpen={opening?.onOpen}
      height={height}
      room={room}
      wantedTicks={wantedTicks}
      empty={sums.every((sum) => sum === 0)}
    >
      <Bars series={series} n={n} top={scale.top} filling={filling} />
    </Frame>
  );
}

interface BarsProps {
  series: StackSeries[];
  n: number;
  top: number;
  filling: boolean;
}

/** The bars alone: the crosshair moves without drawing them anew. */
const Bars = memo(function Bars({ series, n, top, filling }: BarsProps) {
  const ground = new Array<number>(n).fill(100);
  const shapes = series.map(({ key, color, values, onOpen, openTitle }) => {
    let whole = '';
    let open = '';
    for (let at = 0; at < n; at += 1) {
      const value = values[at] ?? 0;
      if (value <= 0) continue;
      const high = (value / top) * 100;
      const bar = `M${(at + 0.08).toFixed(2)} ${ground[at]!.toFixed(2)}h.84v${(-high).toFixed(2)}h-.84z`;
      ground[at]! -= high;
      if (filling && at === n - 1) open += bar;
      else whole += bar;
    }
    return { key, color, whole, open, title: onOpen && openTitle };
  });
  return (
    <svg className="chart-shapes" viewBox={`0 0 ${Math.max(1, n)} 100`} preserveAspectRatio="none" aria-hidden="true">
      {shapes.map(({ key, color, whole, open, title }) => (
        <g key={key} style={{ fill: color }} data-opens={title === undefined ? undefined : true}>
          {title !== undefined && <title>{title}</title>}
          {whole && <path d={whole} />}
          {open && <path d={open} opacity=".5" />}
        </g>
      ))}
    </svg>
  );
});
