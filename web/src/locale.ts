import { useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { makeFormat, type Format } from './format';
import { localeOf, usePrefs } from './prefs';
import { resolveRange, type Range, type RangeSearch } from './range';
import { localZone } from './zones';

interface Locale {
  format: Format;
  zone: string;
}

/** The formats of the one who reads: their language's numbers, and the zone in the address bar, or the one that is given. */
export function useLocale(own?: string | null): Locale {
  const { lang } = usePrefs();
  const { tz } = useSearch({ strict: false }) as { tz?: string };
  return useMemo(() => {
    const zone = own ?? (tz === 'utc' ? 'UTC' : (tz ?? localZone()));
    return { format: makeFormat(localeOf(lang), zone), zone };
  }, [lang, tz, own]);
}

/** The range in the address bar. */
export function useRange(): Range {
  const { last, from, to } = useSearch({ strict: false }) as RangeSearch;
  return useMemo(() => resolveRange({ last, from, to }), [last, from, to]);
}
