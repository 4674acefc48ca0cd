import type { TraceSummary } from './types';

/** What a trace is called wherever it is shown: the name that the client gave it, else its root's. */
export function traceName(trace: Pick<TraceSummary, 'title' | 'name' | 'op' | 'trace_id'>): string {
  return trace.title || trace.name || trace.op || trace.trace_id.slice(0, 8);
}

/** Its pipeline, where that says more than the name. */
export function pipelineOf(trace: Pick<TraceSummary, 'title' | 'name' | 'op' | 'trace_id' | 'pipeline'>): string | null {
  return trace.pipeline && trace.pipeline !== traceName(trace) ? trace.pipeline : null;
}
