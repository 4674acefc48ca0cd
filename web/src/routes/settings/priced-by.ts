import type { OwnPrice } from '../../api/types';

/** Whether an own price is for a model, and holds on a day (`2026-11-29`). A model with `*` at its end is for all that begin so. */
export function pricedBy(price: Pick<OwnPrice, 'model' | 'provider' | 'until'>, model: string, provider: string | null, today: string): boolean {
  const wanted = price.model.toLowerCase();
  const named = model.toLowerCase();
  const fits = wanted.endsWith('*') ? named.startsWith(wanted.slice(0, -1)) : named === wanted;
  const served = price.provider === null || provider === null || price.provider.toLowerCase() === provider.toLowerCase();
  return fits && served && (price.until === null || price.until > today);
}
