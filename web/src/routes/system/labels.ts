import type { Outcome, OutcomeCategory, Reason } from '../../api/types';
import type { T, TextKey } from '../../i18n';

const CATEGORY_TEXT: Record<OutcomeCategory, TextKey> = {
  span: 'system.span',
  span_part: 'system.spanPart',
  transaction: 'system.transaction',
  error: 'system.error',
  score: 'system.score',
  log_item: 'system.log',
  trace_metric: 'system.metric',
  media: 'system.media',
  attachment: 'system.attachment',
  session: 'system.session',
  profile: 'system.profile',
  replay: 'system.replay',
  monitor: 'system.checkIn',
  security: 'system.securityReport',
  feedback: 'system.feedback',
  other: 'system.other',
  request: 'system.request',
};

/** A reason in words, where its name alone says little. */
const REASON_TEXT: Partial<Record<Reason, TextKey>> = { joined: 'system.mergedIntoSpan' };

export function reasonText(t: T, reason: string): string | undefined {
  const key = reason in REASON_TEXT ? REASON_TEXT[reason as Reason] : undefined;
  return key && t(key);
}

/** What it was, in the reader's words, in the right number. */
export function categoryText(t: T, { category, quantity }: Pick<Outcome, 'category' | 'quantity'>): string {
  return t(CATEGORY_TEXT[category], { n: quantity });
}
