import { BUCKETS } from '../../api/price-buckets';
import type { BucketName, NewPrice } from '../../api/types';
import type { TextKey } from '../../i18n';

/** What a person has typed. */
export interface PriceDraft {
  model: string;
  provider: string;
  tier: string;
  above: string;
  from: string;
  prices: Partial<Record<BucketName, string>>;
}

export interface Problem {
  key: TextKey;
  text?: string;
}

/** In dollars for a million tokens; the first two are what most models need. */
export const TOKEN_BUCKETS: BucketName[] = [
  'input',
  'output',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'reasoning',
  'input_audio',
  'output_audio',
  'input_image',
  'output_image',
];
/** In dollars for one, for a million characters, or for an hour of audio. */
export const UNIT_BUCKETS: BucketName[] = ['request', 'web_search', 'image', 'rerank_unit', 'character', 'audio_hour'];

export const emptyPriceDraft = (model = '', provider = ''): PriceDraft => ({ model, provider, tier: '', above: '', from: '', prices: {} });

const DAY_FORMAT = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

/** What the server is asked to set, or what is wrong with it. */
export function priceOf(draft: PriceDraft): NewPrice | Problem {
  const model = draft.model.trim();
  if (!model) return { key: 'prices.needsModel' };
  const prices: NewPrice['prices'] = {};
  for (const bucket of BUCKETS) {
    const text = (draft.prices[bucket] ?? '').trim();
    if (text === '') continue;
    const dollars = Number(text);
    if (!(dollars >= 0) || !Number.isFinite(dollars)) return { key: 'prices.invalidNumber', text };
    prices[bucket] = dollars;
  }
  if (['input', 'hour', ...UNIT_BUCKETS].every((bucket) => bucket === 'web_search' || prices[bucket as BucketName] === undefined)) {
    return { key: 'prices.needsPrice' };
  }
  const from = draft.from.trim();
  if (from && !DAY_FORMAT.test(from)) return { key: 'prices.invalidDay', text: from };
  const above = draft.above.trim();
  if (above && !/^\d+$/.test(above)) return { key: 'prices.invalidTokenCount', text: above };
  return {
    model,
    prices,
    ...(draft.provider.trim() && { provider: draft.provider.trim() }),
    ...(draft.tier.trim() && { service_tier: draft.tier.trim() }),
    ...(above && { input_above: Number(above) }),
    ...(from && { from }),
  };
}

/** Today's day in UTC, as prices count days. */
export const today = (now = new Date()) => now.toISOString().slice(0, 10);
