import type { FindingKindSummary } from '../../api/types';
import type { Change, Format } from '../../format';

/** The default order: what costs most comes first. */
export const BY_COST = '-wasted_cost';

const FIELDS = ['findings', 'traces', 'wasted_cost'] as const;

/** Orders kinds by a figure; what is unknown comes last in both directions. Equal figures are ordered by the number of traces. */
export function sortKinds(kinds: readonly FindingKindSummary[], sort: string = BY_COST): FindingKindSummary[] {
  const field = FIELDS.find((one) => one === sort.replace('-', '')) ?? 'wasted_cost';
  const sign = sort.startsWith('-') ? -1 : 1;
  return kinds.toSorted((a, b) => sign * (a[field] - b[field]) || b.traces - a.traces);
}

/** How the number of traces differs from the period before; `new` if there were none, null if that is unknown. */
export function changeOfKind(format: Format, { traces, previous_traces: before }: FindingKindSummary): Change | 'new' | null {
  if (before === null) return null;
  return before === 0 ? 'new' : format.change(traces, before);
}
