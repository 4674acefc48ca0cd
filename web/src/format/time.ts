export type Zone = string;

const cache = new Map<string, Intl.DateTimeFormat>();

function dateFormat(locale: string, timeZone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + timeZone + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) cache.set(key, (format = new Intl.DateTimeFormat(locale, { ...options, timeZone })));
  return format;
}

/** Year, month, day in the zone, comparable as text. */
export const dayKey = (zone: Zone, at: Date) => dateFormat('en-CA', zone, { year: 'numeric', month: '2-digit', day: '2-digit' }).format(at);

const CLOCK: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

export const clock = (locale: string, zone: Zone, at: Date) => dateFormat(locale, zone, CLOCK).format(at);

export const hourMinute = (locale: string, zone: Zone, at: Date) =>
  dateFormat(locale, zone, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);

/** `22 Nov`, with the year when it is another one or is asked for; `11月22日` in Japanese. */
export function day(locale: string, zone: Zone, at: Date, withYear: boolean): string {
  const options: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', ...(withYear && { year: 'numeric' }) };
  // English dates stand day first, as the whole page does, whatever the reader's English is.
  return dateFormat(locale.startsWith('en') ? 'en-GB' : locale, zone, options).format(at);
}

/** `17:41:02` today, `22 Nov, 21:14:07` this year, with the year before that. */
export function moment(locale: string, zone: Zone, at: Date, now: Date): string {
  const time = clock(locale, zone, at);
  const today = dayKey(zone, now);
  const then = dayKey(zone, at);
  if (then === today) return time;
  return joined(locale, day(locale, zone, at, then.slice(0, 4) !== today.slice(0, 4)), time);
}

/** A moment with milliseconds: log lines follow one another faster than seconds tell. */
export function preciseMoment(locale: string, zone: Zone, at: Date, now: Date): string {
  return `${moment(locale, zone, at, now)}.${milliseconds(at)}`;
}

const milliseconds = (at: Date) => String(at.getUTCMilliseconds()).padStart(3, '0');

/** Without seconds: `17:41` today, `22 Nov, 21:14` before. */
export function brief(locale: string, zone: Zone, at: Date, now: Date): string {
  const time = hourMinute(locale, zone, at);
  return dayKey(zone, at) === dayKey(zone, now) ? time : joined(locale, day(locale, zone, at, false), time);
}

/** Day, year and milliseconds. */
export function exact(locale: string, zone: Zone, at: Date): string {
  const time = `${clock(locale, zone, at)}.${milliseconds(at)}`;
  return joined(locale, day(locale, zone, at, true), time);
}

export const joined = (locale: string, date: string, time: string) => (locale.startsWith('ja') ? `${date} ${time}` : `${date}, ${time}`);

/** A tick of a time axis: hours within days, days beyond. */
export function axis(locale: string, zone: Zone, at: Date, spanMs: number): string {
  if (spanMs <= 2 * 86_400_000) return hourMinute(locale, zone, at);
  return day(locale, zone, at, false);
}

/** What a crosshair says: the hour, and the day where the chart has more than one. */
export function bucketName(locale: string, zone: Zone, at: Date, spanMs: number): string {
  const time = hourMinute(locale, zone, at);
  return spanMs <= 2 * 86_400_000 ? time : joined(locale, day(locale, zone, at, false), time);
}
