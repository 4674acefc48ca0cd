/** One term of the query language: `field:value`, `-field:value`, words in prompts and answers, or parentheses. */
export interface Term {
  /** Null for words and for parentheses. */
  field: string | null;
  /** Whether it is `(...)`, `-(...)`, or a filter with `OR` outside of parentheses. */
  group: boolean;
  /** One of these; a comparison (`>0.05`) or `*` stands alone. */
  values: string[];
  /** Whether the only value is a comparison or `*`, not a value of the field. */
  operator: boolean;
  not: boolean;
  /** As it was written: what is not touched goes out as it came in. */
  raw: string;
}

const unquote = (text: string) => text.replace(/"((?:[^"\\]|\\.)*)"?/g, (_, inside: string) => inside.replace(/\\(.)/g, '$1'));

/** Splits at white space outside of quotation marks and parentheses. */
function splitTerms(text: string): string[] {
  const found = [''];
  let depth = 0;
  for (const [piece] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[^"]/g)) {
    if (piece === '(') depth += 1;
    else if (piece === ')') depth = Math.max(0, depth - 1);
    if (depth === 0 && /^\s$/.test(piece)) found.push('');
    else found[found.length - 1] += piece;
  }
  return found.filter(Boolean);
}

/** Whether terms beside it would be read as part of its last alternative. */
const hasTopLevelOr = (q: string) => splitTerms(q).includes('OR');

/** Splits outside of quotation marks; empty pieces are left out. */
function splitUnquoted(text: string, at: RegExp): string[] {
  const pieces = [''];
  for (const [piece] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[^"]/g)) {
    if (at.test(piece)) pieces.push('');
    else pieces[pieces.length - 1] += piece;
  }
  return pieces.filter(Boolean);
}

const FIELD = /^("(?:[^"\\]|\\.)*"|[^":\s]+):/;
const OPERATOR = /^(?:\*$|[<>]=?)/;

export function parseTerm(raw: string): Term {
  const not = raw.length > 1 && raw.startsWith('-');
  const rest = not ? raw.slice(1) : raw;
  if (rest.startsWith('(')) return { field: null, group: true, values: [rest], operator: false, not, raw };
  const named = FIELD.exec(rest);
  if (!named) return { field: null, group: false, values: [unquote(rest)], operator: false, not, raw };
  const value = rest.slice(named[0].length);
  const operator = OPERATOR.test(value);
  const values = operator ? [unquote(value)] : splitUnquoted(value, /^,$/).map(unquote);
  return { field: unquote(named[1]!), group: false, values, operator, not, raw };
}

/** The terms of a filter. One with `OR` outside of parentheses is a single term. */
export function parseTerms(q: string): Term[] {
  if (hasTopLevelOr(q)) return [{ field: null, group: true, values: [q.trim()], operator: false, not: false, raw: q.trim() }];
  return splitTerms(q)
    .filter((word) => word !== 'AND')
    .map(parseTerm);
}

export const joinTerms = (terms: Term[]) => terms.map(({ raw }) => raw).join(' ');

/** Quotes what the language would read as more than one word, or as a list. */
export function quoteValue(value: string): string {
  return /^[^\s",():\\]+$/.test(value) && !/^[-<>*]/.test(value) && !/^(OR|AND)$/.test(value)
    ? value
    : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/** Words in prompts and answers. */
export const textTerm = (words: string) => `"${words.replace(/[\\"]/g, '\\$&')}"`;

/** Quotes the name of a field that would not be read as one: tags may have any name. */
const quoteField = (field: string) => (/^[^\s":()\\-][^\s":()\\]*$/.test(field) ? field : `"${field.replace(/[\\"]/g, '\\$&')}"`);

/** The filter for one value of a field; null is "not set". */
export const fieldTerm = (field: string, value: string | null) =>
  value === null ? `-${quoteField(field)}:*` : `${quoteField(field)}:${quoteValue(value)}`;

/** The filter that asks for all of these. */
export function joinFilters(...parts: (string | undefined)[]): string {
  const some = parts.filter((part) => part !== undefined && part !== '');
  return some.map((part) => (some.length > 1 && hasTopLevelOr(part!) ? `(${part})` : part)).join(' ');
}

/** The filter with what was typed behind it: `OR` goes on with what is there. */
export const appendToFilter = (q: string, typed: string) => (/^OR\s/.test(typed) && q ? `${q} ${typed}` : joinFilters(q, typed));

const isValueList = (field: string) => (term: Term) => term.field === field && !term.not && !term.operator;

/** The values of a field that the filter asks for, and those that it leaves out. */
export function selectedValues(q: string, field: string): { wanted: string[]; unwanted: string[] } {
  const terms = parseTerms(q).filter((term) => term.field === field && !term.operator);
  return {
    wanted: terms.filter(({ not }) => !not).flatMap(({ values }) => values),
    unwanted: terms.filter(({ not }) => not).flatMap(({ values }) => values),
  };
}

/** Adds a value to what a field may be, or takes it out again; a value that was left out is no longer. */
export function toggleValue(q: string, field: string, value: string): string {
  const terms = parseTerms(q);
  const kept = terms.filter((term) => !(term.field === field && term.not && !term.operator && term.values.includes(value)));
  if (kept.length < terms.length) return joinTerms(kept);
  const at = terms.findIndex(isValueList(field));
  const list = terms[at];
  if (!list) return joinFilters(q, fieldTerm(field, value));
  const values = list.values.includes(value) ? list.values.filter((one) => one !== value) : [...list.values, value];
  const raw = `${quoteField(field)}:${values.map(quoteValue).join(',')}`;
  return joinTerms(values.length > 0 ? terms.with(at, { ...list, values, raw }) : terms.toSpliced(at, 1));
}

const ID_FIELDS = new Set(['user', 'session', 'trace', 'span']);

/** Whether the filter asks for something by its id, which is meant whenever it happened. */
export const hasIdFilter = (q: string) =>
  parseTerms(q).some(({ field, not, operator }) => field !== null && ID_FIELDS.has(field) && !not && !operator);

/** The filter without what it says of one field, so that the other values of the field can be counted. */
export const withoutField = (q: string, field: string) => joinTerms(parseTerms(q).filter((term) => term.field !== field));
