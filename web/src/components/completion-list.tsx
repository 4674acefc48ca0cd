import { useEffect, useRef } from 'react';
import { useT, type TextKey } from '../i18n';
import { useModelColors } from '../model-colors';
import { useProjectOrNull } from '../project';
import { useLocale } from '../locale';
import type { Suggestion } from './completion';
import type { FilterVocabulary } from './filter-vocabulary';
import type { Suggestions } from './use-suggestions';
import { UserText, Swatch } from './values';

const KIND_HINTS: Partial<Record<Suggestion['kind'], TextKey>> = {
  present: 'filter.present',
  or: 'filter.or',
  group: 'filter.group',
};

interface CompletionListProps extends Suggestions {
  id: string;
  vocabulary: FilterVocabulary;
  active: number | null;
  onTake: (suggestion: Suggestion) => void;
  onActive: (at: number) => void;
}

export function CompletionList({ id, list, field, word, vocabulary, active, onTake, onActive }: CompletionListProps) {
  const t = useT();
  const { format } = useLocale();
  const { of: colorOf } = useModelColors(useProjectOrNull()?.id ?? null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active !== null) box.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  const counted = list.some(({ kind, count }) => kind === 'value' && count !== undefined);
  return (
    // The pointer must not take the focus from the line before the click arrives.
    <div className="completion" onPointerDown={(event) => event.preventDefault()}>
      {field !== null && counted && <h3>{t('filter.valuesOf', { field })}</h3>}
      <div className="completion-options" id={id} role="listbox" aria-label={t('filter.options')} ref={box}>
        {list.map((one, at) => {
          const meaning = one.kind === 'words' ? vocabulary.textHint : (KIND_HINTS[one.kind] ?? hintOf(one, field, vocabulary));
          return (
            // The keys are the line's: it holds the focus, and names the active option.
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
            <div
              key={one.draft}
              id={`filter-option-${at}`}
              role="option"
              tabIndex={-1}
              aria-selected={active === at}
              className={active === at ? 'is-selected' : undefined}
              onPointerMove={() => active !== at && onActive(at)}
              onClick={() => onTake(one)}
            >
              {one.kind === 'value' ? (
                <>
                  {field === 'model' && <Swatch color={colorOf(one.text)} />}
                  <HighlightedMatch text={one.text} word={word} />
                </>
              ) : (
                <span className="monospace">{one.text}</span>
              )}
              {meaning && <span className="text-dim ellipsis">{t(meaning)}</span>}
              {one.count !== undefined && <em>{format.count(one.count)}</em>}
            </div>
          );
        })}
      </div>
      <footer>
        {vocabulary.examples.map((example) => (
          <code key={example}>{example}</code>
        ))}
      </footer>
    </div>
  );
}

/** A value may have the name of a field. */
function hintOf({ kind, text }: Suggestion, field: string | null, { fieldHints, valueHints }: FilterVocabulary) {
  if (kind === 'value' && field !== null) return valueHints?.[field]?.(text);
  return kind === 'field' || kind === 'prefix' ? fieldHints[text] : undefined;
}

function HighlightedMatch({ text, word }: { text: string; word: string }) {
  const at = word ? text.toLowerCase().indexOf(word.toLowerCase()) : -1;
  if (at < 0) return <UserText className="ellipsis" text={text} />;
  return (
    <span className="ellipsis">
      {text.slice(0, at)}
      <mark>{text.slice(at, at + word.length)}</mark>
      {text.slice(at + word.length)}
    </span>
  );
}
