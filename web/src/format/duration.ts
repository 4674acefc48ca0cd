import { count, fixed, threeDigits } from './numbers';
import type { Pieces } from './parts';

/** Units longer than a second are words of the language; `ms` and `s` are signs that all write. */
const UNITS = {
  en: { d: 'd', h: 'h', m: 'm', s: 's' },
  ja: { d: '日', h: '時間', m: '分', s: '秒' },
};
type Unit = keyof typeof UNITS.en;

/** `0.42 ms`, `13.8 ms`, `690 ms`, `2.07 s`, `3 m 34 s`, `1 h 44 m`, `2 d 5 h`; in Japanese `3分34秒`. */
export function duration(locale: string, ms: number): Pieces {
  if (ms === 0) return [{ n: '0', u: 'ms' }];
  if (ms < 0.0995) return [{ n: fixed(locale, ms, 3), u: 'ms' }];
  if (ms < 0.995) return [{ n: fixed(locale, ms, 2), u: 'ms' }];
  if (ms < 999.5) return [{ n: threeDigits(locale, ms), u: 'ms' }];
  const seconds = ms / 1000;
  if (seconds < 59.95) return [{ n: threeDigits(locale, seconds), u: 's' }];
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(locale, Math.floor(whole / 60), 'm', whole % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return pair(locale, Math.floor(minutes / 60), 'h', minutes % 60, 'm');
  const hours = Math.round(seconds / 3600);
  return pair(locale, Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** The same without parts of a second: nobody counts the tenths of how long ago something was. */
export function wholeSeconds(locale: string, ms: number): Pieces {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? [{ n: count(locale, seconds), u: 's' }] : duration(locale, seconds * 1000);
}

function pair(locale: string, big: number, bigUnit: Unit, small: number, smallUnit: Unit): Pieces {
  const units = UNITS[locale.startsWith('ja') ? 'ja' : 'en'];
  return [
    { n: count(locale, big), u: units[bigUnit] },
    { n: String(small), u: units[smallUnit] },
  ];
}

/** In seconds with the decimals that the whole column has, for columns whose head carries the unit or whose rows share it. */
export function seconds(locale: string, ms: number, digits = 1): Pieces {
  return [{ n: fixed(locale, ms / 1000, digits), u: 's' }];
}
