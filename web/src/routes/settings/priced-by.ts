import type { OwnPrice, UnpricedModel } from '../../api/money-types';
import type { Hint } from '../../api/trace-types';

/** Whether an own price is for a model, and holds on a day (`2026-11-29`). A model with `*` at its end is for all that begin so. */
export function pricedBy(price: Pick<OwnPrice, 'model' | 'provider' | 'until'>, model: string, provider: string | null, today: string): boolean {
  const wanted = price.model.toLowerCase();
  const named = model.toLowerCase();
  const fits = wanted.endsWith('*') ? named.startsWith(wanted.slice(0, -1)) : named === wanted;
  const served = price.provider === null || provider === null || price.provider.toLowerCase() === provider.toLowerCase();
  return fits && served && (price.until === null || price.until > today);
}

export interface Settling {
  prices: OwnPrice[];
  /** The models whose stored calls have no price. */
  unpriced: UnpricedModel[];
  /** Whether `unpriced` names all of them. */
  complete: boolean;
  today: string;
}

/** A hint as it is today: `priced` where the price is set, and stored calls from before wait to be priced again. */
export type SettledHint = Hint & { priced?: boolean };

/** Hints are of what was seen in a week: those about prices that somebody has set meanwhile are done, or as good as done. */
export function settle(hints: Hint[], known: Settling | null): SettledHint[] {
  if (!known) return hints;
  return hints.flatMap((hint): SettledHint[] => {
    const { subject } = hint;
    if (hint.hint !== 'unpriced_model' || subject === null) return [hint];
    const waits = known.unpriced.some(({ model }) => model === subject);
    if (!waits && known.complete) return [];
    const priced = known.prices.some((price) => pricedBy(price, subject, null, known.today));
    return [priced ? { ...hint, priced } : hint];
  });
}
