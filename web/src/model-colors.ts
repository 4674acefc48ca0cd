import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { breakdownQuery } from './api/queries';
import { paletteOf, type Palette } from './colors';

/** Far enough back that the models of a project have their colours, and the same for all who look at it. */
const SINCE = { from: '-30d', to: 'now' };
/** More than have a hue of their own: a row without a name is among them. */
const ASKED = 12;

/** The colours of the models of a project, by those that it calls most. */
export function useModelColors(project: number | null): Palette {
  const { data } = useQuery({
    ...breakdownQuery(project ?? 0, SINCE, 'model', '-llm_calls', ASKED),
    enabled: project !== null,
    // Colours that move while somebody looks would say less than none.
    staleTime: Infinity,
    gcTime: Infinity,
    meta: { live: false },
  });
  const names = data?.rows.map(({ key }) => key).join('\n');
  return useMemo(() => paletteOf(names?.split('\n').filter(Boolean) ?? []), [names]);
}
