import { digitsFor, fixed, numberFormat, threeDigits } from './numbers';
import { MINUS } from './parts';

const dollarFormat = (text: string, value: number) => `${value < 0 ? MINUS : ''}$${text}`;

/** The store keeps no smaller part of a dollar. */
const MAX_DECIMALS = 12;

const LARGE_AMOUNT: [number, string][] = [
  [1e9, 'B'],
  [1e6, 'M'],
];

/**
 * Dollars as every page writes them: from a million on three figures with a unit, from one dollar on two decimals, below that four, and
 * always two significant figures, so that little is never zero. The exact amount stands in the title, and where the cost of a call is worked out.
 */
export function money(locale: string, value: number): string {
  const size = Math.abs(value);
  for (const [scale, unit] of LARGE_AMOUNT)
    if (size >= scale * 0.9995) return dollarFormat(`${threeDigits(locale, size / scale)} ${unit}`, value);
  if (size === 0 || size >= 0.99995) return dollarFormat(fixed(locale, size, 2), value);
  if (size >= 0.00099995) return dollarFormat(fixed(locale, size, 4), value);
  const digits = Math.min(MAX_DECIMALS, Math.ceil(-Math.log10(size)) + 1);
  const least = 10 ** -MAX_DECIMALS;
  if (size < least / 2) return `< ${dollarFormat(fixed(locale, least, MAX_DECIMALS), value)}`;
  return dollarFormat(numberFormat(locale, { minimumFractionDigits: 4, maximumFractionDigits: digits }).format(size), value);
}

/** A line of a scale: no more decimals than it has. */
export function moneyMark(locale: string, value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000) {
    const [scale, unit] = [...LARGE_AMOUNT, [1e3, 'k'] as [number, string]].find(([one]) => size >= one) ?? [1, ''];
    return dollarFormat(`${numberFormat(locale, { maximumSignificantDigits: 3 }).format(size / scale)} ${unit}`, value);
  }
  if (Number.isInteger(value)) return dollarFormat(fixed(locale, size, 0), value);
  return dollarFormat(
    numberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: MAX_DECIMALS }).format(Number(size.toPrecision(3))),
    value,
  );
}

/** Exact, without the noise of binary fractions: `$0.0003385`. For the arithmetic of one call, and on hover. */
export function moneyExact(locale: string, value: number): string {
  const clean = Number(Math.abs(value).toPrecision(12));
  const text = numberFormat(locale, {
    minimumFractionDigits: clean >= 1 || clean === 0 ? 2 : 4,
    maximumFractionDigits: MAX_DECIMALS,
  }).format(clean);
  return dollarFormat(text, value);
}

/** In the reader's second currency: three figures from one up, below that as many as say something. */
export function secondCurrency(locale: string, value: number, code: string): string {
  if (value >= 10_000_000) {
    return numberFormat(locale, {
      style: 'currency',
      currency: code,
      currencyDisplay: 'narrowSymbol',
      notation: 'compact',
      maximumSignificantDigits: 3,
    }).format(value);
  }
  const digits = value >= 1 ? digitsFor(value) : value >= 0.01 || value === 0 ? 2 : Math.min(8, Math.ceil(-Math.log10(value)) + 1);
  const rounded = value >= 1000 ? Number(value.toPrecision(3)) : value;
  return numberFormat(locale, {
    style: 'currency',
    currency: code,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: value >= 1 ? Math.min(digits, 2) : digits,
    maximumFractionDigits: digits,
  }).format(rounded);
}
