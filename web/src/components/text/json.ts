/** Pieces of JSON, for colour. */
export type JsonPiece = [kind: 'key' | 'text' | 'number' | 'word' | 'mark', text: string];

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/g;

/**
 * JSON indented, piece by piece as it was written: numbers too long for a double keep all their digits.
 * Null where the text is not a JSON object or list.
 */
export function jsonPieces(text: string): JsonPiece[] | null {
  if (!/^\s*[{[]/.test(text)) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(TOKEN) ?? [];
  const pieces: JsonPiece[] = [];
  let depth = 0;
  const line = () => pieces.push(['mark', `\n${'  '.repeat(depth)}`]);
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (token === '{' || token === '[') {
      pieces.push(['mark', token]);
      depth += 1;
      if (next !== '}' && next !== ']') line();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      const before = tokens[at - 1];
      if (before !== '{' && before !== '[') line();
      pieces.push(['mark', token]);
    } else if (token === ',') {
      pieces.push(['mark', ',']);
      line();
    } else if (token === ':') pieces.push(['mark', ': ']);
    else if (token.startsWith('"')) pieces.push([next === ':' ? 'key' : 'text', isPlainValue(token)]);
    else pieces.push([/^[-\d]/.test(token) ? 'number' : 'word', token]);
  });
  return pieces;
}

/** Letters that were escaped as `\u3042` stand as themselves; what would break the line or hide stays escaped. */
function isPlainValue(token: string): string {
  return token.replace(/\\+u([0-9a-fA-F]{4})/g, (whole, code: string) => {
    const slashes = whole.length - 5;
    const value = Number.parseInt(code, 16);
    const plain = slashes % 2 === 1 && value >= 0xa0 && !(value >= 0x200b && value <= 0x200f) && !(value >= 0x2028 && value <= 0x202e);
    return plain ? '\\'.repeat(slashes - 1) + String.fromCharCode(value) : whole;
  });
}

/** Indented, or as it is. */
export const prettyJson = (text: string): string =>
  jsonPieces(text)
    ?.map(([, piece]) => piece)
    .join('') ?? text;

/** The values of a JSON object in one line, for where there is room for one: `HND, CTS, 2`. */
export function oneLineSummary(text: string, most = 120): string {
  const pieces = jsonPieces(text);
  if (!pieces) return text.replace(/\s+/g, ' ').slice(0, most);
  const line = pieces
    .map(([kind, piece]) => (kind === 'mark' ? piece.trim() + (piece.startsWith('\n') || piece === ': ' ? ' ' : '') : piece))
    .join('')
    .replace(/\s+/g, ' ');
  return line
    .replace(/^[{[] ?/, '')
    .replace(/ ?[}\]]$/, '')
    .replace(/"/g, '')
    .slice(0, most);
}
