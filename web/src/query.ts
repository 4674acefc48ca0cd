/** One term of the query language: `field:value`, `-field:value`, or words in prompts and answers. */
export interface Term {
  field: string | null;
  value: string;
  not: boolean;
}

const TERM = /(-?)(?:([\w.]+):)?("(?:[^"\\]|\\.)*"|\S+)/g;

const unquote = (text: string) =>
  text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;

export function parseTerms(q: string): Term[] {
  return [...q.matchAll(TERM)].map(([, minus, field, value]) => ({
    field: field ?? null,
    value: unquote(value ?? ''),
    not: minus === '-',
  }));
}

/** Quotes what the language would read as more than one word, or as a list. */
export function quote(value: string): string {
  return /^[^\s",():]+$/.test(value) && !/^[-<>*]/.test(value) ? value : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

// Lists, comparisons and wildcards are operators when they stand behind a field: they go out as they came in.
const OPERATOR = /^(?:[<>]=?[\d.]+\w*|\*|[^\s"]+(?:,[^\s"]+)+|[^\s"]+\*)$/;

export function termText({ field, value, not }: Term): string {
  const text = field && OPERATOR.test(value) ? value : field ? quote(value) : `"${value.replace(/[\\"]/g, '\\$&')}"`;
  return `${not ? '-' : ''}${field ? `${field}:` : ''}${text}`;
}

/** The filter for one value of a field; null is "not set". */
export const only = (field: string, value: string | null) => (value === null ? `-${field}:*` : `${field}:${quote(value)}`);

export const both = (...parts: (string | undefined)[]) => parts.filter(Boolean).join(' ');
