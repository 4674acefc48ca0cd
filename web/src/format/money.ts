import { digitsFor, fixed, numberFormat } from './numbers';

const usd = (text: string) => `$${text}`;

/** The smallest amount that `digits` decimals can show. */
const least = (digits: number) => 10 ** -digits;

/** Dollars with so many decimals; what rounds away is "less than", never zero. */
export function dollars(locale: string, value: number, digits: number): string {
  if (value > 0 && value < least(digits) / 2) return `< ${usd(fixed(locale, least(digits), digits))}`;
  return usd(fixed(locale, value, digits));
}

/** From a dollar two decimals, below four. */
export const money = (locale: string, value: number) => dollars(locale, value, value >= 0.99995 || value === 0 ? 2 : 4);

/** The decimals that all rows of a column share, from the largest of them. */
export function columnDigits(values: readonly (number | null | undefined)[]): number {
  const largest = Math.max(0, ...values.map((value) => value ?? 0));
  if (largest === 0 || largest >= 0.99995) return 2;
  if (largest >= 0.01) return 4;
  return Math.min(7, Math.max(4, Math.ceil(-Math.log10(largest)) + 2));
}

/** Exact, without the noise of binary fractions: `$0.0003385`. */
export function moneyExact(locale: string, value: number): string {
  const clean = Number(value.toPrecision(12));
  const text = numberFormat(locale, {
    minimumFractionDigits: clean >= 1 || clean === 0 ? 2 : 4,
    maximumFractionDigits: 12,
  }).format(clean);
  return usd(text);
}

/** In the reader's second currency: three figures from one up, below that as many as say something. */
export function second(locale: string, value: number, code: string): string {
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
