import { Component, lazy, Suspense, useMemo, useState, type ReactNode } from 'react';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { langOf } from '../values';
import { jsonPieces } from './json';
import { CodeBlock } from './code-block';

const Rendered = lazy(() => import('./markdown'));

/** Letters of a text that are shown before it is unfolded. */
const FOLD_CHARACTERS = 1_800;
/** A text that is folded is worth a click: this much more than what is shown of it. */
const MIN_HIDDEN_CHARACTERS = 400;

export type TextMode = 'reading' | 'text';

/** Whether a text has marks that Markdown would read. */
export const isMarkdown = (text: string) =>
  !isNestedTooDeep(text) &&
  (/^(#{1,6} |[-*+] |\d+[.)] |> |```|\|.+\|)/m.test(text) || /\*\*\S|`[^`\n]+`|\[[^\]\n]+\]\([^)\n]+\)/.test(text));

/**
 * Whether quotes, lists or emphasis nest deeper than anybody writes: the renderer handles them recursively, and takes the square of their
 * number.
 */
const isNestedTooDeep = (text: string) =>
  /^(?:[ \t]*(?:>|[-*+] |\d{1,9}[.)] )){40}/m.test(text) || /(?:[*_]{1,3}[^*_\n]+){1000}/.test(text);

/** Where a text is cut: at the end of a line or a sentence near the limit, and never within a letter. */
export function truncate(text: string, limit: number): string {
  if (text.length <= limit + MIN_HIDDEN_CHARACTERS) return text;
  const head = text.slice(0, limit);
  const end = Math.max(head.lastIndexOf('\n'), head.lastIndexOf('。') + 1, head.lastIndexOf('. ') + 1);
  const cutAt = end > limit * 0.6 ? end : limit;
  return text.slice(0, cutAt).replace(/[\uD800-\uDBFF]$/, '');
}

interface MessageTextProps {
  text: string;
  mode: TextMode;
  limit?: number;
}

/** A text as it is read: Markdown where it is some, JSON where it is that, else paragraphs; long ones folded. */
export function MessageText({ text, mode, limit = FOLD_CHARACTERS }: MessageTextProps) {
  const t = useT();
  const { format } = useLocale();
  const [open, setOpen] = useState(false);
  const lang = useMemo(() => langOf(text.slice(0, 4000)), [text]);
  const json = useMemo(() => mode === 'reading' && text.length < 200_000 && jsonPieces(text) !== null, [mode, text]);
  if (json) return <CodeBlock text={text} />;
  const shown = open ? text : truncate(text, limit);
  const plain = (
    <p className="message-text-plain" dir="auto">
      {shown}
    </p>
  );
  return (
    <div className={shown.length < text.length ? 'message-text is-truncated' : 'message-text'} lang={lang}>
      {mode === 'reading' && isMarkdown(shown) ? (
        <PlainText key={shown.length} plain={plain}>
          <Suspense fallback={plain}>
            <Rendered text={shown} />
          </Suspense>
        </PlainText>
      ) : (
        plain
      )}
      {(open || shown.length < text.length) && (
        <button type="button" className="action-link" onClick={() => setOpen(!open)}>
          {open ? t('text.showLess') : t('text.showAllCharacters', { n: format.count(text.length) })}
        </button>
      )}
    </div>
  );
}

/** A text that breaks the renderer is shown as it is. */
class PlainText extends Component<{ plain: ReactNode; children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    return this.state.broken ? this.props.plain : this.props.children;
  }
}
