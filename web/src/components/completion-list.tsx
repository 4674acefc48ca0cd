import { useEffect, useRef } from 'react';
import { useT, type TextKey } from '../i18n';
import { useModelColors } from '../model-colors';
import { useProjectOrNull } from '../project';
import { useLocale } from '../locale';
import type { Suggestion } from './completion';
import type { Suggestions } from './use-suggestions';
import { UserText, Swatch } from './values';

const EXAMPLES = ['model:a,b', '-model:a', 'duration:>30s', '(a OR b)', '"返金"'];

const KIND_HINTS: Partial<Record<Suggestion['kind'], TextKey>> = {
  present: 'filter.present',
  words: 'filter.textSearch',
  or: 'filter.or',
  group: 'filter.group',
};

/** What a field is, in a few words. */
const FIELD_HINTS: Record<string, TextKey> = {
  model: 'filter.field.model',
  provider: 'filter.field.provider',
  pipeline: 'filter.field.pipeline',
  status: 'filter.field.status',
  user: 'filter.field.user',
  session: 'filter.field.session',
  cost: 'filter.field.cost',
  duration: 'filter.field.duration',
  tool: 'filter.field.tool',
  agent: 'filter.field.agent',
  op: 'filter.field.operation',
  kind: 'filter.field.kind',
  'tag.': 'filter.field.tag',
};

interface CompletionListProps extends Suggestions {
  id: string;
  active: number | null;
  onTake: (suggestion: Suggestion) => void;
  onActive: (at: number) => void;
}

export function CompletionList({ id, list, field, word, active, onTake, onActive }: CompletionListProps) {
  const t = useT();
  const { format } = useLocale();
  const { of: colorOf } = useModelColors(useProjectOrNull()?.id ?? null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active !== null) box.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  const valued = list.some(({ kind }) => kind === 'value');
  return (
    // The pointer must not take the focus from the line before the click arrives.
    <div className="completion" onPointerDown={(event) => event.preventDefault()}>
      {field !== null && valued && <h3>{t('filter.valuesOf', { field })}</h3>}
      <div className="completion-options" id={id} role="listbox" aria-label={t('filter.options')} ref={box}>
        {list.map((one, at) => {
          const meaning = KIND_HINTS[one.kind] ?? FIELD_HINTS[one.text];
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
        {EXAMPLES.map((example) => (
          <code key={example}>{example}</code>
        ))}
      </footer>
    </div>
  );
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
