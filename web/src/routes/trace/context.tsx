import { createContext, useContext } from 'react';
import type { Project } from '../../api/project-types';
import type { TraceDetail } from '../../api/trace-types';
import type { ColorOf } from '../../colors';
import type { RangeSearch } from '../../range';
import type { Axis, Stretch } from './model/time';
import type { Node, Tree } from './model/tree';

export type View = 'tree' | 'timeline' | 'operations' | 'transcript';

/** What all parts of the page look at. It changes with the trace alone, not with what is selected of it. */
export interface Looking {
  project: Project;
  data: TraceDetail;
  at: string | undefined;
  /** The range that shows this trace, for links to what it has in common with others. */
  around: RangeSearch;
  tree: Tree;
  axis: Axis;
  critical: ReadonlyMap<Node, Stretch[]>;
  /** The colours of its models, all different. */
  colorOf: ColorOf;
  /** Selects a span and shows it, or keeps to the transcript where that is asked for. */
  select: (span: string, keep?: 'transcript') => void;
}

const LookingContext = createContext<Looking | null>(null);
const SelectedContext = createContext<Node | null>(null);

export const LookingProvider = LookingContext.Provider;
export const SelectedProvider = SelectedContext.Provider;

export function useLooking(): Looking {
  const looking = useContext(LookingContext);
  if (!looking) throw new Error('this part stands outside of a trace');
  return looking;
}

/** The span that is selected. It moves with every press of a key: only what shows it should ask. */
export const useSelected = () => useContext(SelectedContext);
