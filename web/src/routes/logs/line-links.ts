import type { ListedLogLine } from '../../api/types';
import { rangeAround, type Range } from '../../range';

/** The trace of a line, at the span in which it was logged. */
export const traceTarget = (project: number, { trace_id: trace, span_id: span, time }: ListedLogLine) => ({
  to: '/p/$project/traces/$trace' as const,
  params: { project: String(project), trace: trace ?? '' },
  search: { span: span ?? undefined, at: time },
});

/** The issue of the error event that a line belongs to. */
export const issueTarget = (project: number, { issue_id: issue, time }: ListedLogLine, range: Range) => ({
  to: '/p/$project/issues/$issue' as const,
  params: { project: String(project), issue: String(issue) },
  search: rangeAround(range, Date.parse(time)),
});
