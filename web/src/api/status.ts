import type { Status, TraceSummary } from './types';

/** How a trace ended, as far as its summary tells. */
export const statusOf = ({ status, failed_llm_calls: failed, error_count: errors }: TraceSummary): Status =>
  status ?? (failed + errors > 0 ? 'error' : 'ok');
