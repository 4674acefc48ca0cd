import { createContext, useContext } from 'react';
import type { Project, TraceDetail } from '../../api/types';
import type { ColorOf } from '../../colors';
import type { RangeSearch } from '../../range';
import type { TimeAxis, Interval } from './model/time';
import type { SpanNode, SpanTree } from './model/tree';

export type ViewMode = 'tree' | 'timeline' | 'operations' | 'transcript';

/** What all parts of the page look at. It changes with the trace alone, not with what is selected of it. */
export interface TraceView {
  project: Project;
  data: TraceDetail;
  at: string | undefined;
  /** The range that shows this trace, for links to what it has in common with others. */
  around: RangeSearch;
  tree: SpanTree;
  axis: TimeAxis;
  critical: ReadonlyMap<SpanNode, Interval[]>;
  /** The colours of its models, all different. */
  colorOf: ColorOf;
  /** Selects a span and shows it, or keeps to the transcript where that is asked for. */
  select: (span: string, keep?: 'transcript') => void;
}

const TraceViewContext = createContext<TraceView | null>(null);
const SelectedSpanContext = createContext<SpanNode | null>(null);

export const TraceViewProvider = TraceViewContext.Provider;
export const SelectedSpanProvider = SelectedSpanContext.Provider;

export function useTraceView(): TraceView {
  const view = useContext(TraceViewContext);
  if (!view) throw new Error('this part stands outside of a trace');
  return view;
}

/** The span that is selected. It moves with every press of a key: only what shows it should ask. */
export const useSelectedSpan = () => useContext(SelectedSpanContext);
