import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { logsPagesQuery } from '../../api/queries';
import type { LogLine } from '../../api/types';
import { useTraceView } from './context';

const NO_LINES: LogLine[] = [];

/** What was logged within the trace, as far as it has been asked for. All who ask share one answer. */
export function useTraceLogs() {
  const { project, data } = useTraceView();
  const count = data.log_count;
  const query = useInfiniteQuery({ ...logsPagesQuery(project.id, data.trace.trace_id, count), enabled: count > 0 });
  const lines = useMemo(() => query.data?.pages.flatMap(({ logs }) => logs) ?? NO_LINES, [query.data]);
  return { lines, count, query };
}

/** The lines of each span, in the order of their times. */
export function linesBySpan(lines: readonly LogLine[]): Map<string, LogLine[]> {
  const found = new Map<string, LogLine[]>();
  for (const line of lines) {
    if (line.span_id === null) continue;
    const list = found.get(line.span_id);
    if (list) list.push(line);
    else found.set(line.span_id, [line]);
  }
  return found;
}

/** Lines that somebody should look at. */
export const isSevere = ({ level }: LogLine) => level === 'warn' || level === 'error' || level === 'fatal';
