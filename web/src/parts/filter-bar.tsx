import { useRef, useState, type ReactNode } from 'react';
import { useT } from '../i18n';
import { useKeys } from '../keys';
import { parseTerms, termText } from '../query';
import { Icon } from './icons';

interface FilterBarProps {
  q: string;
  onChange: (q: string) => void;
  children?: ReactNode;
}

/** The filter as words, each with its own way out; what is typed is the query language itself. */
export function FilterBar({ q, onChange, children }: FilterBarProps) {
  const t = useT();
  const input = useRef<HTMLInputElement>(null);
  const [draft, setDraft] = useState('');
  const terms = parseTerms(q);

  useKeys({ '/': () => input.current?.focus() });

  const without = (index: number) =>
    onChange(
      terms
        .filter((_, at) => at !== index)
        .map(termText)
        .join(' '),
    );
  const commit = () => {
    const added = draft.trim();
    if (!added) return;
    setDraft('');
    onChange([q, added].filter(Boolean).join(' '));
  };

  return (
    <div className="fbar" role="search">
      <div className="fbox">
        <Icon name="search" size="s" />
        {terms.map((term, at) => (
          <span className="ftk" key={termText(term)}>
            {term.field && <i>{term.not ? t('filter.not', { field: term.field }) : term.field}</i>}
            <b>{term.field ? term.value : `${term.not ? '-' : ''}"${term.value}"`}</b>
            <button type="button" aria-label={t('common.remove', { name: termText(term) })} onClick={() => without(at)}>
              <Icon name="close" size="xs" />
            </button>
          </span>
        ))}
        <input
          ref={input}
          value={draft}
          aria-label={t('filter.label')}
          placeholder={terms.length === 0 ? t('filter.placeholder') : undefined}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            // Enter that ends a Japanese conversion belongs to the input method.
            if (event.nativeEvent.isComposing) return;
            if (event.key === 'Enter') commit();
            else if (event.key === 'Escape') input.current?.blur();
            else if (event.key === 'Backspace' && draft === '' && terms.length > 0) without(terms.length - 1);
          }}
        />
        <kbd>/</kbd>
      </div>
      {children}
    </div>
  );
}
