import { MINUS, type Piece, type Pieces } from './parts';

const cache = new Map<string, Intl.NumberFormat>();

function numberFormat(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) cache.set(key, (format = new Intl.NumberFormat(locale, options)));
  return format;
}

export const fixed = (locale: string, value: number, digits: number) =>
  numberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** Decimals that leave three significant figures; `value` is not negative. */
export function digitsFor(value: number, figures = 3): number {
  if (value === 0) return 0;
  const whole = Math.floor(Math.log10(value)) + 1;
  return Math.max(0, figures - Math.max(whole, 1));
}

/** Three significant figures, after the rounding too (9.996 is 10.0, not 10.00). */
export function threeDigits(locale: string, value: number): string {
  const digits = digitsFor(value);
  const rounded = Number(value.toFixed(digits));
  return fixed(locale, rounded, digitsFor(rounded));
}

/** An exact count, with thousands. */
export const count = (locale: string, value: number) => numberFormat(locale, { maximumFractionDigits: 0 }).format(value);

const SCALES: [number, string][] = [
  [1e3, 'k'],
  [1e6, 'M'],
  [1e9, 'B'],
  [1e12, 'T'],
];

/** Tokens as they are read: exact below a thousand, then three figures with a unit. */
export function tokens(locale: string, value: number): Pieces {
  if (value < 999.5) return [{ n: count(locale, value) }];
  let [scale, unit] = SCALES[0]!;
  for (const [nextScale, nextUnit] of SCALES) {
    // 999,950 reads 1.00 M: what would round up to a thousand takes the next unit.
    if (value >= nextScale * 0.9995) [scale, unit] = [nextScale, nextUnit];
  }
  return [{ n: threeDigits(locale, value / scale), u: unit }];
}

/** Tokens in a row: exact as far as a column holds them, a unit from ten millions on. */
export const tokensCell = (locale: string, value: number): Pieces => (value < 1e7 ? [{ n: count(locale, value) }] : tokens(locale, value));

/** A rate as per cent, without its sign: two decimals below ten, one above, none at the ends. */
export function percentText(locale: string, rate: number): string {
  const value = rate * 100;
  if (value === 0 || value === 100) return count(locale, value);
  if (value < 0.005) return `< ${fixed(locale, 0.01, 2)}`;
  if (value > 99.95 && value < 100) return `> ${fixed(locale, 99.9, 1)}`;
  return fixed(locale, value, value < 9.995 ? 2 : 1);
}

export const percent = (locale: string, rate: number): Pieces => [{ n: percentText(locale, rate), u: '%' }];

/** With a true minus, and a plus where it grew. */
export function signed(text: string, value: number): string {
  if (value === 0) return `±${text}`;
  return `${value < 0 ? MINUS : '+'}${text}`;
}

export interface Change {
  /** Null where a percentage says nothing: of almost nothing, anything is thousands of per cent. */
  text: Piece | null;
  /** Past the line where a measure with a bad direction is coloured. */
  notable: boolean;
  grew: boolean;
}

/** Eleven times as much as before: from there on the value before says more than a percentage of it. */
const MAX_CHANGE_RATIO = 10;

/** Against the value of the period before; null where there was nothing to compare with. */
export function change(locale: string, now: number | null, before: number | null): Change | null {
  if (now === null || before === null || before === 0) return null;
  const ratio = now / before - 1;
  if (ratio > MAX_CHANGE_RATIO) return { text: null, notable: true, grew: true };
  const value = Math.abs(ratio) * 100;
  const digits = value < 99.95 ? 1 : 0;
  const rounded = Number(value.toFixed(digits));
  return {
    text: { n: signed(fixed(locale, rounded, digits), rounded === 0 ? 0 : ratio), u: '%' },
    notable: value > 5,
    grew: ratio > 0,
  };
}

/** The difference of two rates, in points. */
export function pointsChange(locale: string, now: number, before: number): Change {
  const points = (now - before) * 100;
  const rounded = Number(Math.abs(points).toFixed(2));
  return {
    text: { n: signed(fixed(locale, rounded, 2), rounded === 0 ? 0 : points) },
    notable: Math.abs(points) > 0.1,
    grew: points > 0,
  };
}

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(locale: string, value: number): Pieces {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < BYTES.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return [{ n: unit === 0 ? count(locale, scaled) : threeDigits(locale, scaled), u: BYTES[unit] }];
}

export { numberFormat };
