import { memo } from 'react';
import { unbrokenSegments } from './line';

interface SparklineProps {
  values: (number | null)[];
  /** For measures where more is worse. */
  bad?: boolean;
}

/** The course of a figure beside it; no scale, so it carries shape alone. */
export const Sparkline = memo(function Sparkline({ values, bad = false }: SparklineProps) {
  const max = Math.max(0, ...values.map((value) => value ?? 0));
  const width = Math.max(1, values.length - 1);
  const y = (value: number) => (max === 0 ? 22 : 22 - (value / max) * 20).toFixed(1);
  // A value that stands alone is drawn half a bucket wide, or it could not be seen.
  const lines = unbrokenSegments(values).map((points) => (points.length > 1 ? points : withoutZeroWidth(points)));
  const paths = lines.map((points) => points.map(([x, value]) => `${x - 0.5} ${y(value)}`).join('L'));
  return (
    <svg
      className={bad && max > 0 ? 'sparkline sparkline-failed' : 'sparkline'}
      viewBox={`0 0 ${width} 24`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {lines.map((points, at) => (
        <path
          key={`f${points[0]![0]}`}
          className="sparkline-area"
          d={`M${paths[at]}L${points[points.length - 1]![0] - 0.5} 24L${points[0]![0] - 0.5} 24z`}
        />
      ))}
      <path d={paths.map((points) => `M${points}`).join('')} />
    </svg>
  );
});

function withoutZeroWidth(points: [number, number][]): [number, number][] {
  return points.flatMap(([x, value]): [number, number][] => [
    [x - 0.25, value],
    [x + 0.25, value],
  ]);
}
