import { createContext, useContext, useMemo, useState, type ReactNode } from 'react';

/** The one time axis of a page: all its charts share bucket, crosshair and drag. */
export interface Axis {
  /** The start of each bucket. */
  times: number[];
  bucketMs: number;
  /** Whether the last bucket is still filling. */
  filling: boolean;
  hover: number | null;
  setHover: (at: number | null) => void;
  drag: [number, number] | null;
  setDrag: (drag: [number, number] | null) => void;
  onRange: ((from: number, to: number) => void) | undefined;
  /** Stretches that stand out on all charts. */
  bands: readonly Band[];
}

/** An incident on the time axis. */
export interface Band {
  from: number;
  to: number;
  name: string;
  severe: boolean;
}

const NONE: readonly Band[] = [];

const AxisContext = createContext<Axis | null>(null);

export function useAxis(): Axis {
  const axis = useContext(AxisContext);
  if (!axis) throw new Error('a chart stands outside of a ChartGroup');
  return axis;
}

interface ChartGroupProps {
  times: number[];
  bucketMs: number;
  filling?: boolean;
  /** Dragging across a chart sets the range. */
  onRange?: (from: number, to: number) => void;
  /** Incidents, pale through all charts. */
  bands?: readonly Band[];
  children: ReactNode;
}

export function ChartGroup({ times, bucketMs, filling = false, onRange, bands = NONE, children }: ChartGroupProps) {
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const axis = useMemo(
    () => ({ times, bucketMs, filling, hover, setHover, drag, setDrag, onRange, bands }),
    [times, bucketMs, filling, hover, drag, onRange, bands],
  );
  return <AxisContext value={axis}>{children}</AxisContext>;
}
