/** A name and a value, as headers, cookies and parameters have. */
export type RequestPair = [name: string, value: unknown];

/** Reads an object, or a list of pairs, or text such as `a=1&b=2`, as pairs; null where it is none of these. */
export function requestPairs(value: unknown): RequestPair[] | null {
  if (value === null || value === undefined || value === '') return [];
  if (typeof value === 'string') {
    if (!/^[^=&\s]+=[^\s]*$/.test(value)) return null;
    return [...new URLSearchParams(value.replace(/^\?/, ''))];
  }
  if (Array.isArray(value)) {
    const isPair = (item: unknown): item is RequestPair => Array.isArray(item) && item.length === 2 && typeof item[0] === 'string';
    return value.every(isPair) ? value : null;
  }
  return typeof value === 'object' ? Object.entries(value) : null;
}

/** The parts of a request that have a place of their own. */
const KNOWN = new Set(['method', 'url', 'query_string', 'fragment', 'headers', 'cookies', 'data', 'env', 'inferred_content_type']);

/** What a client sent with a request beside the known parts. */
export const otherRequestParts = (request: Record<string, unknown>): RequestPair[] => Object.entries(request).filter(([name]) => !KNOWN.has(name));

const text = (value: unknown) => (typeof value === 'string' ? value : '');

/** Method and address in one line. */
export function requestLine(request: Record<string, unknown>): string {
  const url = text(request.url);
  const query = text(request.query_string).replace(/^\?/, '');
  const fragment = text(request.fragment).replace(/^#/, '');
  const address = [url, query && !url.includes('?') ? `?${query}` : '', fragment && !url.includes('#') ? `#${fragment}` : ''].join('');
  return [text(request.method), address].filter(Boolean).join(' ');
}
