import { useMemo, useState } from 'react';
import { useT } from '../../i18n';
import { useReader } from '../../reader';
import { langOf } from '../values';
import { jsonPieces, type JsonPiece } from './json';

const CLASSES: Record<JsonPiece[0], string | undefined> = { key: 'jk', text: 'jt', number: 'jn', word: 'jn', mark: undefined };

/** So many lines of a block are shown before it is unfolded, and so many letters are ever coloured. */
const LINES = 24;
const COLOURED = 200_000;

interface CodeProps {
  text: string;
  lines?: number;
}

/** JSON indented and coloured where it is JSON, else the text as it is; long ones folded. */
export function Code({ text, lines = LINES }: CodeProps) {
  const t = useT();
  const { format } = useReader();
  const [open, setOpen] = useState(false);
  const coloured = useMemo(() => (text.length > COLOURED ? null : jsonPieces(text)), [text]);
  const pieces: JsonPiece[] = useMemo(() => coloured ?? [['mark', text]], [coloured, text]);
  const whole = useMemo(() => (coloured ? coloured.map(([, piece]) => piece).join('') : text), [coloured, text]);
  const all = useMemo(() => whole.split('\n').length, [whole]);
  const long = all > lines + 4 || whole.length > lines * 400;
  const cut = long && !open;
  const shown = cut ? cutPieces(pieces, lines) : pieces;
  return (
    <div className={cut ? 'codeb cut' : 'codeb'}>
      <pre tabIndex={0} lang={langOf(whole.slice(0, 2000))}>
        <code>
          {shown.map(([kind, piece], at) =>
            kind === 'mark' ? (
              piece
            ) : (
              <span key={at} className={CLASSES[kind]}>
                {piece}
              </span>
            ),
          )}
        </code>
      </pre>
      {long && (
        <button type="button" className="act" onClick={() => setOpen(!open)}>
          {open ? t('text.showLess') : t('text.showAllLines', { n: format.count(all) })}
        </button>
      )}
    </div>
  );
}

/** The first lines, and of one endless line the first letters. */
function cutPieces(pieces: JsonPiece[], lines: number): JsonPiece[] {
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
