import { parseRelativeRange, type RangeSearch } from './range';
import { zoneParam } from './zones';

/** What every page keeps in the address bar: the range, and the zone where it is not the reader's own: `utc` or an IANA name. */
export interface AppSearch extends RangeSearch {
  tz?: string;
}

export type RawSearch = Record<string, unknown>;

/** A text of the address bar; anything else, or nothing, is left out. */
export const textParam = (raw: RawSearch, key: string): string | undefined => {
  const value = raw[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** Those of the texts that are there. */
export function textParams<Key extends string>(raw: RawSearch, ...keys: Key[]): { [K in Key]?: string } {
  const found: { [K in Key]?: string } = {};
  for (const key of keys) {
    const value = textParam(raw, key);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

export function appSearchOf(raw: RawSearch): AppSearch {
  const last = textParam(raw, 'last');
  const from = textParam(raw, 'from');
  const to = textParam(raw, 'to');
  const tz = zoneParam(textParam(raw, 'tz'));
  const absolute = from && to && Date.parse(to) > Date.parse(from);
  return {
    ...(absolute ? { from, to } : last && parseRelativeRange(last) ? { last } : {}),
    ...(tz && { tz }),
  };
}

export const parseSearch = (search: string): RawSearch => Object.fromEntries(new URLSearchParams(search));

export function stringifySearch(search: RawSearch): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value));
  }
  const query = params.toString();
  return query && `?${query}`;
}
