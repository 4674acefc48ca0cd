const HUES = 8;

/** What stands for several names, or for those beyond the eighth of a chart. */
export const OTHER_COLOR = 'var(--c-other)';

/** FNV-1a: the same name wishes for the same hue on every page, in every session. */
function hashOf(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

/** Dated versions of a model wish for its colour: `gpt-4o-2024-08-06` for that of `gpt-4o`. */
export const modelFamily = (model: string) =>
  model
    .replace(/^.*\//, '')
    .replace(/[-@](\d{4}-?\d{2}-?\d{2}|\d{4}|latest|preview)$/, '')
    .toLowerCase();

// The best known have a hue of their own, so that those seen together most often look the same in all projects.
const FIXED_HUES = new Map<string, number>(
  Object.entries({
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
  }),
);

/** The hue that a name gets where it is free, from 1 to 8. */
function preferredHue(name: string): number {
  const key = modelFamily(name);
  return FIXED_HUES.get(key) ?? (hashOf(key) % HUES) + 1;
}

/** The names one after the other: each the first of its wishes that is free, else the next free hue; at most eight get one. */
function assignHues(names: Iterable<string>, taken: Map<string, number>, wish: (name: string) => number | undefined): void {
  const used = new Set(taken.values());
  const open: string[] = [];
  const take = (name: string, hue: number) => {
    used.add(hue);
    taken.set(name, hue);
  };
  for (const name of names) {
    if (taken.has(name)) continue;
    const hue = wish(name);
    if (hue !== undefined && !used.has(hue)) take(name, hue);
    else open.push(name);
  }
  for (const name of open) {
    const from = preferredHue(name);
    const hue = Array.from({ length: HUES }, (_, step) => ((from - 1 + step) % HUES) + 1).find((one) => !used.has(one));
    if (hue !== undefined) take(name, hue);
  }
}

const colorOfHue = (hue: number | undefined) => (hue === undefined ? OTHER_COLOR : `var(--c${hue})`);

export type ColorOf = (name: string | null) => string;

/** The colours of the names of a project. */
export interface Palette {
  /** The colour of a name by itself. No name is neutral. */
  of: ColorOf;
  /** The colours of the names of one chart, the most important first: the first eight are all different. */
  among: (names: readonly (string | null)[]) => ColorOf;
}

/** `known`: the names that the project uses most. The same names have the same colours, whatever their order. */
export function paletteOf(known: readonly (string | null)[]): Palette {
  const own = new Map<string, number>();
  const named = known.filter((name) => name !== null).slice(0, HUES);
  assignHues(named.toSorted(), own, preferredHue);
  const alone = (name: string) => {
    const hue = own.get(name) ?? preferredHue(name);
    return own.has(name) || ![...own.values()].includes(hue) ? hue : undefined;
  };
  return {
    of: (name) => (name === null ? OTHER_COLOR : colorOfHue(alone(name))),
    among: (names) => {
      const taken = new Map<string, number>();
      const unique = [...new Set(names.filter((name) => name !== null))];
      const first = unique.slice(0, HUES);
      // What the project knows keeps its colour; the others take what is left.
      assignHues(
        first.filter((name) => own.has(name)),
        taken,
        (name) => own.get(name),
      );
      assignHues(first, taken, preferredHue);
      assignHues(
        unique.slice(HUES).filter((name) => own.has(name)),
        taken,
        (name) => own.get(name),
      );
      return (name) => (name === null ? OTHER_COLOR : colorOfHue(taken.get(name)));
    },
  };
}
