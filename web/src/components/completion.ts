import { quoteValue, textTerm } from '../filter-query';

/** Fields whose values are names, of which the server knows those that there are. */
export const NAME_FIELDS = [
  'model',
  'provider',
  'pipeline',
  'status',
  'failure',
  'user',
  'session',
  'agent',
  'tool',
  'op',
  'kind',
  'name',
  'prompt',
  'prompt_version',
  'environment',
  'release',
  'key',
] as const;
/** Fields that are compared. */
export const NUMBER_FIELDS = ['cost', 'duration', 'input_tokens', 'output_tokens'] as const;
/** Ids, which nobody types by heart. */
export const ID_FIELDS = ['trace', 'span'] as const;

const FIELDS: readonly string[] = [...NAME_FIELDS, ...NUMBER_FIELDS, ...ID_FIELDS];

const NUMBER_BOUNDS: Record<string, string[]> = {
  cost: ['>0.01', '>0.1', '<0.001'],
  duration: ['>1s', '>5s', '>30s'],
  input_tokens: ['>1000', '>10000', '>100000'],
  output_tokens: ['>500', '>2000', '>8000'],
};

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
export function valuesNeededFor({ field, word }: TypedTerm): { field: string; prefix: string } | null {
  if (field === null) return word.startsWith('tag.') ? { field: 'tag', prefix: word.slice(4) } : null;
  if ((NAME_FIELDS as readonly string[]).includes(field) || /^tag\../.test(field)) return { field, prefix: word };
  return null;
}

export interface Suggestion {
  /** What the draft becomes. */
  draft: string;
  /** Whether the term is then whole, so that it can be taken at once. */
  whole: boolean;
  kind: 'field' | 'value' | 'present' | 'bound' | 'words' | 'tag' | 'or' | 'group';
  text: string;
  count?: number;
}

interface KnownValues {
  value: string;
  count: number;
}

/** How many fields an empty line offers: the first of each sort. */
const FIRST_FIELDS = ['model', 'pipeline', 'status', 'user', 'provider', 'cost', 'duration', 'tool'];

/** `OR` behind a term, and parentheses, as far as the word may become one. */
function operatorSuggestions(head: string, word: string, behindTerm: boolean): Suggestion[] {
  const or: Suggestion[] = behindTerm && 'OR'.startsWith(word) ? [{ draft: `${head}OR `, whole: false, kind: 'or', text: 'OR' }] : [];
  const group: Suggestion[] = word === '' ? [{ draft: `${head}(`, whole: false, kind: 'group', text: '( )' }] : [];
  return [...or, ...group];
}

/**
 * What the line can go on with. `known` is what the server answered to `wanted`; `behindTerm`, whether there are terms before the line.
 */
export function suggestCompletions(draft: string, known: readonly KnownValues[], behindTerm = false): Suggestion[] {
  const now = parseTypedTerm(draft);
  const { before, not, field, done, word, quoted } = now;
  const head = `${before}${not ? '-' : ''}`;
  if (field === null) {
    if (word.startsWith('tag.')) {
      return known.map(({ value, count }) => ({
        draft: `${head}${/[\s:"]/.test(value) ? `"tag.${value}"` : `tag.${value}`}:`,
        whole: false,
        kind: 'tag',
        text: `tag.${value}`,
        count,
      }));
    }
    const lower = word.toLowerCase();
    const begins = FIELDS.filter((name) => name.startsWith(lower));
    const has = FIELDS.filter((name) => !name.startsWith(lower) && name.includes(lower));
    const named = quoted ? [] : word === '' ? FIRST_FIELDS : [...begins, ...has];
    const fields: Suggestion[] = named.map((name) => ({ draft: `${head}${name}:`, whole: false, kind: 'field', text: name }));
    if (!quoted && (word === '' || 'tag.'.startsWith(lower)))
      fields.push({ draft: `${head}tag.`, whole: false, kind: 'tag', text: 'tag.' });
    const words: Suggestion[] =
      word === '' ? [] : [{ draft: `${head}${textTerm(word)}`, whole: true, kind: 'words', text: textTerm(word) }];
    const isBehindTerm = before === '' ? behindTerm : !/(^|\s)(OR|AND)\s*$|\($/.test(before);
    return [...fields, ...(quoted ? [] : operatorSuggestions(head, word, isBehindTerm && !not)), ...words];
  }
  const prefix = `${head}${field}:${done}`;
  const values: Suggestion[] = known.map(({ value, count }) => ({
    draft: `${prefix}${quoteValue(value)}`,
    whole: true,
    kind: 'value',
    text: value,
    count,
  }));
  const bounds: Suggestion[] = (NUMBER_BOUNDS[field] ?? [])
    .filter((bound) => bound.startsWith(word))
    .map((bound) => ({ draft: `${prefix}${bound}`, whole: true, kind: 'bound', text: bound }));
  const present: Suggestion[] =
    done === '' && word === '' ? [{ draft: `${prefix}*`, whole: true, kind: 'present', text: `${field}:*` }] : [];
  return [...values, ...bounds, ...present];
}
