import { Children, useMemo, type ReactNode } from 'react';
import { useLocale } from '../locale';
import { useT } from '../i18n';
import { plain, type Pieces } from '../format';

/** A value with its unit smaller beside it. */
export function NumberWithUnit({ v }: { v: Pieces }) {
  return (
    <span>
      {v.map(({ n, u }, at) => (
        <span key={at}>
          {at > 0 && ' '}
          {n}
          {u !== undefined && <span className="unit">{u}</span>}
        </span>
      ))}
    </span>
  );
}

/** The word for what is not known: never a zero. */
export function UnknownValue() {
  const t = useT();
  return <span className="unknown-value">{t('common.unknown')}</span>;
}

export function Duration({ ms }: { ms: number | null }) {
  const { format } = useLocale();
  return ms === null ? <UnknownValue /> : <NumberWithUnit v={format.duration(ms)} />;
}

export function TokenCount({ n }: { n: number | null }) {
  const { format } = useLocale();
  if (n === null) return <UnknownValue />;
  return (
    <span title={format.count(n)}>
      <NumberWithUnit v={format.tokens(n)} />
    </span>
  );
}

/** Before a figure that is in part, or as a whole, counted from texts. */
export function EstimatedMark({ calls }: { calls?: number | undefined }) {
  const t = useT();
  return (
    <span className="unit" title={calls === undefined ? t('estimate.mark') : t('estimate.calls', { n: calls })}>
      ≈
    </span>
  );
}

/** A moment, with its exact time on hover; `precise` shows its milliseconds. */
export function Timestamp({ at, precise = false }: { at: string; precise?: boolean }) {
  const { format } = useLocale();
  return (
    <time dateTime={at} title={`${format.exact(at)} ${format.zone}`}>
      {precise ? format.preciseMoment(at) : format.moment(at)}
    </time>
  );
}

export function Age({ at }: { at: string }) {
  const { format } = useLocale();
  const t = useT();
  return <span className="text-dim">{t('common.ago', { age: plain(format.age(at)) })}</span>;
}

const JAPANESE = /[\u3040-\u30ff]/;
const CHINESE = /[\u4e00-\u9fff]/;

/** The language of a text, as far as its letters tell, so that kanji take Japanese forms. */
export function langOf(text: string): string | undefined {
  if (JAPANESE.test(text)) return 'ja';
  return CHINESE.test(text) ? (document.documentElement.lang === 'ja' ? 'ja' : 'zh') : undefined;
}

/** Text that came from outside, in its own language. */
export function UserText({ text, className }: { text: string; className?: string }) {
  const lang = useMemo(() => langOf(text), [text]);
  return (
    <span className={className} lang={lang} dir="auto">
      {text}
    </span>
  );
}

export function Swatch({ color, hatched = false }: { color: string; hatched?: boolean }) {
  return <i className={hatched ? 'swatch swatch-hatched' : 'swatch'} style={{ '--c': color }} />;
}

type ChipTone = 'good' | 'bad' | 'warning' | 'outline';

export function Chip({ tone, title, children }: { tone?: ChipTone; title?: string; children: ReactNode }) {
  return (
    <span className={tone ? `chip chip-${tone}` : 'chip'} title={title}>
      {chipContent(children)}
    </span>
  );
}

/** What stands beside a glyph needs a box of its own, to end in an ellipsis where it does not fit. */
function chipContent(children: ReactNode): ReactNode {
  const parts: ReactNode[] = [];
  let text: string[] = [];
  const end = () => {
    if (text.length > 0)
      parts.push(
        <span key={parts.length} className="ellipsis">
          {text.join('')}
        </span>,
      );
    text = [];
  };
  for (const child of Children.toArray(children)) {
    if (typeof child === 'string' || typeof child === 'number') text.push(String(child));
    else {
      end();
      parts.push(child);
    }
  }
  end();
  return parts;
}

/** Part of a whole, as a bar; what it stands for is in the text beside it. */
export function ShareBar({ of, color }: { of: number; color?: string }) {
  return (
    <span className="share-bar" aria-hidden="true">
      <i style={{ width: `${Math.max(0, Math.min(1, of)) * 100}%`, '--c': color }} />
    </span>
  );
}
