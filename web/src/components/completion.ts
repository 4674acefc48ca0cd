import { quoteValue, textTerm } from '../filter-query';
import { SPAN_VOCABULARY, type FilterVocabulary } from './filter-vocabulary';

/** What stands to the left of the caret, as far as it belongs to one term. */
export interface TypedTerm {
  /** What comes before the term. */
  before: string;
  not: boolean;
  /** The field with its colon, once there is one. */
  field: string | null;
  /** The values of a list that are finished, with their commas. */
  done: string;
  /** The piece that is being typed, without quotation marks. */
  word: string;
  /** Whether it stands within quotation marks. */
  quoted: boolean;
}

export function parseTypedTerm(draft: string): TypedTerm {
  let start = 0;
  let open = false;
  for (let at = 0; at < draft.length; at += 1) {
    const character = draft[at]!;
    if (character === '"' && draft[at - 1] !== '\\') open = !open;
    else if (!open && /\s/.test(character)) start = at + 1;
    // What stands within parentheses is a term of its own.
    else if (!open && character === '(' && (at === start || (at === start + 1 && draft[start] === '-'))) start = at + 1;
  }
  const term = draft.slice(start);
  const not = term.startsWith('-');
  const bare = not ? term.slice(1) : term;
  const colon = /^[^":]+:/.exec(bare);
  const rest = colon ? bare.slice(colon[0].length) : bare;
  let comma = -1;
  let inside = false;
  if (colon) {
    for (let at = 0; at < rest.length; at += 1) {
      if (rest[at] === '"') inside = !inside;
      else if (rest[at] === ',' && !inside) comma = at;
    }
  }
  return {
    before: draft.slice(0, start),
    not,
    field: colon ? colon[0].slice(0, -1) : null,
    done: rest.slice(0, comma + 1),
    word: rest.slice(comma + 1).replace(/"/g, ''),
    quoted: open,
  };
}

/** Which values the server is to be asked for; null where there are none to ask for. */
export function valuesNeededFor(
  { field, word }: TypedTerm,
  { nameFields }: FilterVocabulary = SPAN_VOCABULARY,
): { field: string; prefix: string } | null {
  // Without names to ask for, the list has no facets.
  if (nameFields.length === 0) return null;
  if (field === null) return word.startsWith('tag.') ? { field: 'tag', prefix: word.slice(4) } : null;
  return nameFields.includes(field) || /^tag\../.test(field) ? { field, prefix: word } : null;
}

export interface Suggestion {
  /** What the draft becomes. */
  draft: string;
  /** Whether the term is then whole, so that it can be taken at once. */
  whole: boolean;
  kind: 'field' | 'value' | 'present' | 'bound' | 'words' | 'prefix' | 'or' | 'group';
  text: string;
  count?: number | undefined;
}

interface KnownValues {
  value: string;
  /** How many rows have it, where that was counted. */
  count: number | undefined;
}

/** `OR` behind a term, and parentheses, as far as the word may become one. */
function operatorSuggestions(head: string, word: string, behindTerm: boolean): Suggestion[] {
  const or: Suggestion[] = behindTerm && 'OR'.startsWith(word) ? [{ draft: `${head}OR `, whole: false, kind: 'or', text: 'OR' }] : [];
  const group: Suggestion[] = word === '' ? [{ draft: `${head}(`, whole: false, kind: 'group', text: '( )' }] : [];
  return [...or, ...group];
}

/**
 * What the line can go on with. `known` is what the server answered to `wanted`; `behindTerm`, whether there are terms before the line.
 */
export function suggestCompletions(
  draft: string,
  known: readonly KnownValues[],
  behindTerm = false,
  vocabulary: FilterVocabulary = SPAN_VOCABULARY,
): Suggestion[] {
  const now = parseTypedTerm(draft);
  return now.field === null ? suggestFields(now, known, behindTerm, vocabulary) : suggestValues(now, now.field, known, vocabulary);
}

function suggestFields({ before, not, word, quoted }: TypedTerm, known: readonly KnownValues[], behindTerm: boolean, vocabulary: FilterVocabulary) {
  const { nameFields, fixedValues, numberBounds, otherFields, firstFields, prefix } = vocabulary;
  const head = `${before}${not ? '-' : ''}`;
  if (word.startsWith('tag.') && prefix === 'tag.') {
    return known.map(
      ({ value, count }): Suggestion => ({
        draft: `${head}${/[\s:"]/.test(value) ? `"tag.${value}"` : `tag.${value}`}:`,
        whole: false,
        kind: 'prefix',
        text: `tag.${value}`,
        count,
      }),
    );
  }
  const lower = word.toLowerCase();
  const all = [...Object.keys(fixedValues), ...nameFields, ...Object.keys(numberBounds), ...otherFields];
  const begins = all.filter((name) => name.startsWith(lower));
  const has = all.filter((name) => !name.startsWith(lower) && name.includes(lower));
  const named = quoted ? [] : word === '' ? firstFields : [...begins, ...has];
  const fields: Suggestion[] = named.map((name) => ({ draft: `${head}${name}:`, whole: false, kind: 'field', text: name }));
  if (!quoted && (word === '' || (prefix !== word && prefix.startsWith(lower))))
    fields.push({ draft: `${head}${prefix}`, whole: false, kind: 'prefix', text: prefix });
  const words: Suggestion[] =
    word === '' ? [] : [{ draft: `${head}${textTerm(word)}`, whole: true, kind: 'words', text: textTerm(word) }];
  const isBehindTerm = before === '' ? behindTerm : !/(^|\s)(OR|AND)\s*$|\($/.test(before);
  return [...fields, ...(quoted ? [] : operatorSuggestions(head, word, isBehindTerm && !not)), ...words];
}

function suggestValues(
  { before, not, done, word }: TypedTerm,
  field: string,
  known: readonly KnownValues[],
  { fixedValues, numberBounds }: FilterVocabulary,
): Suggestion[] {
  const prefix = `${before}${not ? '-' : ''}${field}:${done}`;
  const fixed: KnownValues[] = (fixedValues[field] ?? [])
    .filter((value) => value.startsWith(word.toLowerCase()))
    .map((value) => ({ value, count: undefined }));
  const values: Suggestion[] = [...fixed, ...known].map(({ value, count }) => ({
    draft: `${prefix}${quoteValue(value)}`,
    whole: true,
    kind: 'value',
    text: value,
    count,
  }));
  const bounds: Suggestion[] = (numberBounds[field] ?? [])
    .filter((bound) => bound.startsWith(word))
    .map((bound) => ({ draft: `${prefix}${bound}`, whole: true, kind: 'bound', text: bound }));
  const present: Suggestion[] =
    done === '' && word === '' ? [{ draft: `${prefix}*`, whole: true, kind: 'present', text: `${field}:*` }] : [];
  return [...values, ...bounds, ...present];
}
