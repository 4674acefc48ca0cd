import type { RepriceJob, Span, SpanDetail, Usage } from './types';


/** The tokens of a span; null where the client told none. */
export const usageOf = ({ usage }: Pick<Span, 'usage'>): Usage | null => (usage.source !== null ? usage : null);

/** The tools that the model could call. Clients usually send a list, but may send anything. */
export function toolsOf({ tool_definitions: tools }: Pick<SpanDetail, 'tool_definitions'>): unknown[] {
  if (Array.isArray(tools)) return tools as unknown[];
  return tools === null || tools === undefined ? [] : [tools];
}

/** Whether nothing more becomes of a job. */
export const hasEnded = ({ state }: Pick<RepriceJob, 'state'>) => state === 'done' || state === 'failed' || state === 'cancelled';
