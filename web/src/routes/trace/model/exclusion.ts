import type { Exclusion } from '../../../api/types';

/** The text that says why a span is excluded from totals. */
export const exclusionKey = (exclusion: Exclusion | null) => `trace.exclusion.${exclusion?.kind ?? 'unknown'}` as const;
