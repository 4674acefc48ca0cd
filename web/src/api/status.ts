import type { Span, Status, Usage } from './span-types';
import type { TraceSummary } from './trace-types';

/** How a trace ended, as far as its summary tells. */
export const statusOf = ({ status, failed_llm_calls: failed, error_count: errors }: TraceSummary): Status =>
  status ?? (failed + errors > 0 ? 'error' : 'ok');

/** The tokens of a span; null where the client told none. */
export const usageOf = ({ usage }: Pick<Span, 'usage'>): Usage | null => (usage !== null && usage.source !== null ? usage : null);
