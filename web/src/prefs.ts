import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';
export type Lang = 'en' | 'ja';

/** What belongs to the reader and not to what is looked at; the latter stands in the address bar. */
export interface Prefs {
  theme: Theme;
  lang: Lang;
  project: number | null;
}

const KEY = 'hinomi.prefs';
const listeners = new Set<() => void>();

function load(): Prefs {
  const fallback: Prefs = { theme: 'system', lang: navigator.language.startsWith('ja') ? 'ja' : 'en', project: null };
  try {
    return { ...fallback, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) };
  } catch {
    return fallback;
  }
}

let prefs = load();

export const getPrefs = () => prefs;

export function setPrefs(patch: Partial<Prefs>) {
  prefs = { ...prefs, ...patch };
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // A full or forbidden store: the choice lasts as long as the page.
  }
  const root = document.documentElement;
  root.lang = prefs.lang;
  if (prefs.theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = prefs.theme;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const usePrefs = () => useSyncExternalStore(subscribe, getPrefs);

/** A reader whose browser speaks the page's language in a regional form keeps that form's numbers. */
export const localeOf = (lang: Lang) => (navigator.language.startsWith(lang) ? navigator.language : lang);
