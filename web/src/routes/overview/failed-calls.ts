import { joinFilters } from '../../filter-query';

/** The calls that `failed_llm_calls` counts, as the filter of spans names them. */
const FAILED_CALLS = 'kind:llm,embedding status:error';

/** The list of failed calls. A trace may be ok although a call in it failed, so they are listed as spans. */
export const failedCallsSearch = (q: string | undefined) => ({ q: joinFilters(q, FAILED_CALLS), of: 'spans' });

/** What to do for a red number, in the order of what says most: the failed calls, the issues, or nothing. */
export function errorRateTarget({ failed_llm_calls: failed, errors }: { failed_llm_calls: number; errors: number }): 'calls' | 'issues' | null {
  if (failed > 0) return 'calls';
  return errors > 0 ? 'issues' : null;
}
