const HUES = 8;

/** FNV-1a: the same name has the same hue on every page, in every session. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

/** Dated versions of a model share its colour: `gpt-4o-2024-08-06` is `gpt-4o`. */
export const family = (model: string) =>
  model
    .replace(/^.*\//, '')
    .replace(/[-@](\d{4}-?\d{2}-?\d{2}|\d{4}|latest|preview)$/, '')
    .toLowerCase();

// The best known have a hue of their own, so that those seen together most often never share one.
const FIXED: Record<string, number> = {
  'gpt-4o': 1,
  'gpt-4o-mini': 2,
  'gpt-3.5-turbo': 4,
  'claude-sonnet-4-5': 7,
  'gpt-4.1': 1,
  'gpt-4.1-mini': 2,
  'gpt-5': 5,
  'gpt-5-mini': 2,
  'claude-haiku-4-5': 8,
  'claude-opus-4-5': 3,
  'gemini-2.5-pro': 6,
  'gemini-2.5-flash': 3,
};

/** The category colour of a model, tool or any other name; null (no name) is neutral. */
export function colorOf(name: string | null): string {
  if (name === null) return 'var(--c-other)';
  const key = family(name);
  return `var(--c${FIXED[key] ?? (hash(key) % HUES) + 1})`;
}
