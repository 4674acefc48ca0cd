import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { facetsQuery } from '../api/queries';
import { useProjectOrNull } from '../project';
import { useRange } from '../locale';
import { suggestCompletions, parseTypedTerm, valuesNeededFor, type Suggestion } from './completion';
import type { FilterVocabulary } from './filter-vocabulary';
import { usePaused } from './use-paused';

/** A pause in typing after which the server is asked. */
const PAUSE_MS = 120;
const MAX_SUGGESTIONS = 12;

export interface Suggestions {
  list: Suggestion[];
  /** The field whose values are listed, if they are values. */
  field: string | null;
  word: string;
}

/** What the filter line can go on with: values with their counts among what the filter lets through already. */
export function useSuggestions(draft: string, q: string, open: boolean, vocabulary: FilterVocabulary): Suggestions {
  const project = useProjectOrNull();
  const range = useRange();
  const paused = usePaused(draft, PAUSE_MS);
  const ask = valuesNeededFor(parseTypedTerm(paused), vocabulary);
  const now = parseTypedTerm(draft);
  const { data } = useQuery({
    ...facetsQuery(project?.id ?? 0, { ...range.span, q: q || undefined }, ask?.field ?? '', ask?.prefix || undefined, MAX_SUGGESTIONS),
    enabled: open && project !== null && ask !== null,
    placeholderData: undefined,
    meta: { live: false },
    staleTime: 30_000,
  });
  return useMemo(() => {
    const here = valuesNeededFor(now, vocabulary);
    const known = here !== null && here.field === ask?.field ? (data?.values ?? []) : [];
    const prefix = (here?.prefix ?? '').toLowerCase();
    return {
      list: suggestCompletions(
        draft,
        known.filter(({ value }) => value.toLowerCase().includes(prefix)),
        q !== '',
        vocabulary,
      ),
      field: now.field,
      word: now.word,
    };
    // `now` and `ask` follow from the drafts.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [draft, paused, data, q, vocabulary]);
}
