import { createContext, useContext } from 'react';
import type { Project, TraceDetail } from '../../api/types';
import type { Axis, Stretch } from './model/time';
import type { Node, Tree } from './model/tree';

export type View = 'tree' | 'timeline' | 'operations' | 'transcript';

/** What all parts of the page look at: one trace, one selection. */
export interface Looking {
  project: Project;
  data: TraceDetail;
  at: string | undefined;
  tree: Tree;
  axis: Axis;
  critical: ReadonlyMap<Node, Stretch[]>;
  /** Dollars as the rows of this trace write them. */
  money: (usd: number) => string;
  selected: Node | null;
  /** Selects a span and shows it, or keeps to the transcript where that is asked for. */
  select: (span: string, keep?: 'transcript') => void;
  tab: string | undefined;
  setTab: (tab: string) => void;
}

const LookingContext = createContext<Looking | null>(null);

export const LookingProvider = LookingContext.Provider;

export function useLooking(): Looking {
  const looking = useContext(LookingContext);
  if (!looking) throw new Error('this part stands outside of a trace');
  return looking;
}
