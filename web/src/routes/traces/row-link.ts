import type { ListRow } from './list-pages';

/** What a row leads to, with what the list was narrowed to, so that its neighbours can be found. */
export function targetOf(project: number, row: ListRow, q: string | undefined, sort: string | undefined) {
  const traceId = row.of === 'traces' ? row.trace.trace_id : row.span.trace_id;
  return {
    to: '/p/$project/traces/$trace' as const,
    params: { project: String(project), trace: traceId },
    search: {
      span: row.of === 'spans' ? row.span.span_id : undefined,
      at: row.of === 'traces' ? row.trace.start_time : row.span.start_time,
      q,
      sort,
    },
  };
}
