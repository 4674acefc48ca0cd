import { useMemo, useState } from 'react';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { langOf } from '../values';
import { jsonPieces, type JsonPiece } from './json';

const TOKEN_CLASSES: Record<JsonPiece[0], string | undefined> = {
  key: 'json-key',
  text: 'json-text',
  number: 'json-number',
  word: 'json-number',
  mark: undefined,
};

/** So many lines of a block are shown before it is unfolded, and so many letters are ever coloured. */
const MAX_FOLDED_LINES = 24;
const MAX_HIGHLIGHTED_CHARACTERS = 200_000;

interface CodeBlockProps {
  text: string;
  lines?: number;
}

/** JSON indented and coloured where it is JSON, else the text as it is; long ones folded. */
export function CodeBlock({ text, lines = MAX_FOLDED_LINES }: CodeBlockProps) {
  const t = useT();
  const { format } = useLocale();
  const [open, setOpen] = useState(false);
  const coloured = useMemo(() => (text.length > MAX_HIGHLIGHTED_CHARACTERS ? null : jsonPieces(text)), [text]);
  const pieces: JsonPiece[] = useMemo(() => coloured ?? [['mark', text]], [coloured, text]);
  const whole = useMemo(() => (coloured ? coloured.map(([, piece]) => piece).join('') : text), [coloured, text]);
  const all = useMemo(() => whole.split('\n').length, [whole]);
  const long = all > lines + 4 || whole.length > lines * 400;
  const cut = long && !open;
  const shown = cut ? truncatePieces(pieces, lines) : pieces;
  return (
    <div className={cut ? 'code-block is-truncated' : 'code-block'}>
      <pre tabIndex={0} lang={langOf(whole.slice(0, 2000))}>
        <code>
          {shown.map(([kind, piece], at) =>
            kind === 'mark' ? (
              piece
            ) : (
              <span key={at} className={TOKEN_CLASSES[kind]}>
                {piece}
              </span>
            ),
          )}
        </code>
      </pre>
      {long && (
        <button type="button" className="action-link" onClick={() => setOpen(!open)}>
          {open ? t('text.showLess') : t('text.showAllLines', { n: format.count(all) })}
        </button>
      )}
    </div>
  );
}

/** The first lines, and of one endless line the first letters. */
function truncatePieces(pieces: JsonPiece[], lines: number): JsonPiece[] {
  const found: JsonPiece[] = [];
  let left = lines;
  let room = lines * 400;
  for (const [kind, piece] of pieces) {
    const breaks = piece.split('\n');
    const kept = breaks.slice(0, left).join('\n').slice(0, room);
    found.push([kind, kept]);
    left -= breaks.length - 1;
    room -= kept.length;
    if (left <= 0 || room <= 0) break;
  }
  return found;
}
