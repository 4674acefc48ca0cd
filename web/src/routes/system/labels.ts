import type { Outcome } from '../../api/types';
import type { T, TextKey } from '../../i18n';

const CATEGORIES: Record<string, TextKey> = {
  span: 'system.span',
  span_part: 'system.spanPart',
  transaction: 'system.transaction',
  error: 'system.error',
  log_item: 'system.log',
  trace_metric: 'system.metric',
  request: 'system.request',
};

/** A reason in words, where its name alone says little. */
const REASONS: Record<string, TextKey> = { joined: 'system.mergedIntoSpan' };

export function reasonText(t: T, reason: string): string | undefined {
  const key = REASONS[reason];
  return key && t(key);
}

/** What it was, in the reader's words, in the right number. */
export function categoryText(t: T, { category, quantity }: Pick<Outcome, 'category' | 'quantity'>): string {
  return t(CATEGORIES[category] ?? 'system.other', { n: quantity });
}
