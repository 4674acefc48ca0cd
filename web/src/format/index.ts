import { duration, seconds, wholeSeconds } from './duration';
import { money, moneyExact, moneyMark, secondCurrency } from './money';
import { bytes, change, count, fixed, percent, percentText, pointsChange, threeDigits, tokens, tokensCell } from './numbers';
import { axis, brief, bucketName, clock, day, exact, hourMinute, moment, preciseMoment } from './time';
import type { Currency } from '../api/types';

export { plain, MINUS, type Piece, type Pieces } from './parts';
export type { Change } from './numbers';

const date = (at: string | number | Date) => (at instanceof Date ? at : new Date(at));

/** All formats, bound to a reader: their locale and their time zone. */
export function makeFormat(locale: string, zone: string, now: () => Date = () => new Date()) {
  return {
    locale,
    zone,
    count: (value: number) => count(locale, value),
    fixed: (value: number, digits: number) => fixed(locale, value, digits),
    threeDigits: (value: number) => threeDigits(locale, value),
    tokens: (value: number) => tokens(locale, value),
    tokensCell: (value: number) => tokensCell(locale, value),
    percent: (rate: number) => percent(locale, rate),
    percentText: (rate: number) => percentText(locale, rate),
    change: (value: number | null, before: number | null) => change(locale, value, before),
    pointsChange: (value: number, before: number) => pointsChange(locale, value, before),
    bytes: (value: number) => bytes(locale, value),
    duration: (ms: number) => duration(locale, ms),
    seconds: (ms: number, digits?: number) => seconds(locale, ms, digits),
    money: (value: number) => money(locale, value),
    moneyExact: (value: number) => moneyExact(locale, value),
    moneyMark: (value: number) => moneyMark(locale, value),
    /** In the project's display currency, if it has one. */
    secondCurrency: (usd: number | null, currency: Currency | null | undefined) =>
      usd === null || !currency ? null : secondCurrency(locale, usd * currency.rate, currency.code),
    clock: (at: string | number | Date) => clock(locale, zone, date(at)),
    hourMinute: (at: string | number | Date) => hourMinute(locale, zone, date(at)),
    day: (at: string | number | Date, withYear = false) => day(locale, zone, date(at), withYear),
    moment: (at: string | number | Date) => moment(locale, zone, date(at), now()),
    preciseMoment: (at: string | number | Date) => preciseMoment(locale, zone, date(at), now()),
    brief: (at: string | number | Date) => brief(locale, zone, date(at), now()),
    exact: (at: string | number | Date) => exact(locale, zone, date(at)),
    axis: (at: string | number | Date, spanMs: number) => axis(locale, zone, date(at), spanMs),
    bucketName: (at: string | number | Date, spanMs: number) => bucketName(locale, zone, date(at), spanMs),
    /** How long until then, to the minute. */
    until: (at: string | number | Date) =>
      duration(locale, Math.max(0, Math.round((date(at).getTime() - now().getTime()) / 60_000) * 60_000)),
    /** How long ago, in words of the unit kind and whole seconds: `1 h 44 m`, `43 s`. */
    age: (at: string | number | Date) => wholeSeconds(locale, Math.max(0, now().getTime() - date(at).getTime())),
  };
}

export type Format = ReturnType<typeof makeFormat>;
