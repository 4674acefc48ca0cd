interface FoundAt {
  trace_id: string;
  timestamp: string;
  span_ids: readonly string[];
}

/** The trace of a finding, at the first span that shows the fault. */
export const placeOf = (project: number, { trace_id: trace, timestamp, span_ids: spans }: FoundAt) => ({
  to: '/p/$project/traces/$trace' as const,
  params: { project: String(project), trace },
  search: { span: spans[0], at: timestamp },
});
