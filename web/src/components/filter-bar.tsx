import { useRef, useState, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { useT } from '../i18n';
import { useKeyboardShortcuts } from '../keyboard';
import { appendToFilter, joinTerms, parseTerms, type Term } from '../filter-query';
import { CompletionList } from './completion-list';
import type { Suggestion } from './completion';
import { SPAN_VOCABULARY, type FilterVocabulary } from './filter-vocabulary';
import { Icon } from './icons';
import { useSuggestions } from './use-suggestions';

interface FilterBarProps {
  q: string;
  onChange: (q: string) => void;
  /** What the server said to the filter, where it could not read it. */
  error?: unknown;
  /** What can be named; that of spans if it is not given. */
  vocabulary?: FilterVocabulary;
  children?: ReactNode;
}

function termText({ field, group, not, values }: Term): string {
  if (field !== null) return values.join(', ');
  return `${not ? '\u2212' : ''}${group ? values[0] : `"${values.join()}"`}`;
}

/** The filter as words, each with its own way out; what is typed is the query language itself, with completion. */
export function FilterBar({ q, onChange, error, vocabulary = SPAN_VOCABULARY, children }: FilterBarProps) {
  const t = useT();
  const input = useRef<HTMLInputElement>(null);
  const [draft, setDraft] = useState('');
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState<number | null>(null);
  const terms = parseTerms(q);
  const suggestions = useSuggestions(draft, q, open, vocabulary);
  const shown = open && suggestions.list.length > 0;

  useKeyboardShortcuts({ '/': () => input.current?.focus() });

  const type = (next: string) => {
    setDraft(next);
    setActive(null);
    setOpen(true);
  };
  const remove = (term: Term) => onChange(joinTerms(terms.filter((other) => other !== term)));
  const commit = (text: string) => {
    type('');
    setOpen(false);
    if (text.trim()) onChange(appendToFilter(q, text.trim()));
  };
  const take = (suggestion: Suggestion) => {
    if (suggestion.whole) commit(suggestion.draft);
    else type(suggestion.draft);
    input.current?.focus();
  };
  /** A click on a term puts it back into the line, to be changed. */
  const edit = (term: Term) => {
    remove(term);
    type(term.raw);
    input.current?.focus();
  };
  const key = (event: React.KeyboardEvent) => {
    // Enter that ends a Japanese conversion belongs to the input method.
    if (event.nativeEvent.isComposing) return;
    const count = suggestions.list.length;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setOpen(true);
      if (count > 0) setActive(active === null ? (step > 0 ? 0 : count - 1) : (active + step + count) % count);
      return;
    }
    const chosen = shown && active !== null ? suggestions.list[active] : undefined;
    if (event.key === 'Enter') {
      if (chosen) take(chosen);
      else commit(draft);
    } else if (event.key === 'Tab' && shown && draft !== '' && !event.shiftKey) {
      const best = chosen ?? suggestions.list[0];
      if (best) {
        event.preventDefault();
        take(best);
      }
    } else if (event.key === 'Escape') {
      if (shown) setOpen(false);
      else input.current?.blur();
    } else if (event.key === 'Backspace' && draft === '' && terms.length > 0) {
      remove(terms[terms.length - 1]!);
    }
  };

  const refused = error instanceof ApiError && error.status === 400 ? error : null;
  return (
    <div className="filter-bar" role="search">
      <div className={refused ? 'filter-box is-invalid' : 'filter-box'}>
        <Icon name="search" size="small" />
        {terms.map((term, at) => (
          <span className="filter-term" key={`${at} ${term.raw}`}>
            <button type="button" className="filter-term-text" title={t('filter.edit')} onClick={() => edit(term)}>
              {term.field !== null && <i>{term.not ? t('filter.not', { field: term.field }) : term.field}</i>}
              <b>{termText(term)}</b>
            </button>
            <button type="button" aria-label={t('common.remove', { name: term.raw })} onClick={() => remove(term)}>
              <Icon name="close" size="tiny" />
            </button>
          </span>
        ))}
        <div className="filter-input">
          <input
            ref={input}
            value={draft}
            role="combobox"
            aria-label={t('filter.label')}
            aria-expanded={shown}
            aria-controls="filter-options"
            aria-autocomplete="list"
            aria-activedescendant={shown && active !== null ? `filter-option-${active}` : undefined}
            aria-invalid={refused !== null}
            aria-describedby={refused ? 'filter-error' : undefined}
            placeholder={terms.length === 0 ? t(vocabulary.placeholder) : undefined}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="off"
            onChange={(event) => type(event.target.value)}
            onFocus={() => setOpen(true)}
            onClick={() => setOpen(true)}
            onBlur={() => {
              setOpen(false);
              setActive(null);
            }}
            onKeyDown={key}
          />
          {shown && (
            <CompletionList id="filter-options" {...suggestions} vocabulary={vocabulary} active={active} onTake={take} onActive={setActive} />
          )}
        </div>
        {terms.length > 1 && (
          <button type="button" className="filter-clear" onClick={() => onChange('')}>
            {t('filter.clear')}
          </button>
        )}
        <kbd>/</kbd>
      </div>
      {children}
      {refused && (
        <p className="filter-error" id="filter-error" role="alert">
          <Icon name="issues" size="small" />
          <span>
            {refused.message}
            {refused.hint && <span className="text-dim"> {refused.hint}</span>}
          </span>
        </p>
      )}
    </div>
  );
}
