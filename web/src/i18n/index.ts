import { useMemo } from 'react';
import { localeOf, usePrefs, type Lang } from '../prefs';
import { en } from './en';
import { ja } from './ja';

export type TextKey = keyof typeof en;
export type Table = Record<TextKey, string>;
export type Vars = Record<string, string | number>;

const tables: Record<Lang, Table> = { en, ja };

const write = (lang: Lang, value: string | number) =>
  typeof value === 'number' ? new Intl.NumberFormat(localeOf(lang), { maximumFractionDigits: 20 }).format(value) : value;

/** Fills `{name}`, numbers with thousands as the reader writes them; a text `one|other` is chosen by `n`. */
export function translate(lang: Lang, key: TextKey, vars: Vars = {}): string {
  let text: string = tables[lang][key];
  const bar = text.indexOf('|');
  if (bar >= 0 && 'n' in vars) text = String(vars.n) === '1' ? text.slice(0, bar) : text.slice(bar + 1);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => write(lang, vars[name] ?? whole));
}

export type T = (key: TextKey, vars?: Vars) => string;

export function useT(): T {
  const { lang } = usePrefs();
  return useMemo(() => (key: TextKey, vars?: Vars) => translate(lang, key, vars), [lang]);
}
