import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import type { TimeSpan } from '../range';
import { addressOf, api } from './client';

/* The audit log: who did what to which object. */

/** Which entries are asked for; what is left out is not asked for. */
export interface AuditFilter extends TimeSpan {
  /** An action, or the words with which actions begin. */
  action?: string | undefined;
  account?: number | undefined;
  project?: number | undefined;
}

const PAGE_SIZE = 100;
/** New entries arrive without a live update. */
const AGAIN_MS = 60_000;

export const auditPagesQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) => api.get('/api/v1/audit', { query: { ...filter, cursor: pageParam, limit: PAGE_SIZE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
  });

/** The URL of a file with all entries that the filter selects. */
export const auditFileAddress = (filter: AuditFilter, format: 'jsonl' | 'csv') => addressOf('/api/v1/audit', {}, { ...filter, format });
