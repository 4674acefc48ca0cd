/** The browser's own zone. */
export const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** A zone as the address bar names it: `utc`, or an IANA name such as `Asia/Tokyo`; undefined where there is no such zone. */
export function zoneParam(text: string | undefined): string | undefined {
  if (!text) return undefined;
  if (text.toLowerCase() === 'utc') return 'utc';
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** Every zone that the browser knows; UTC is not always among them. */
export const allZones = (): string[] => Intl.supportedValuesOf('timeZone');

const normalizeZoneText = (text: string) =>
  text
    .toLowerCase()
    .replace(/[\s_/]+/g, ' ')
    .trim();

/** The zones whose name holds all that was typed, those whose city begins so first; `+09:00` finds the zones of an offset. */
export function searchZones(typed: string, zones: string[], offsetOf: (zone: string) => string): string[] {
  const wanted = normalizeZoneText(typed);
  if (!wanted) return zones;
  if (/^[+−-]\d/.test(wanted)) {
    const offset = wanted.replace('-', '−');
    return zones.filter(
      (zone) =>
        offsetOf(zone).startsWith(offset) ||
        offsetOf(zone)
          .replace(/([+−])0/, '$1')
          .startsWith(offset),
    );
  }
  const found = zones.filter((zone) => wanted.split(' ').every((word) => normalizeZoneText(zone).includes(word)));
  const begins = (zone: string) => (normalizeZoneText(zone.split('/').at(-1) ?? '').startsWith(wanted) ? 0 : 1);
  return found.toSorted((a, b) => begins(a) - begins(b));
}

/** `+09:00`, or `−03:30`. */
export function offsetText(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${ms < 0 ? '−' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
