import { useQuery } from '@tanstack/react-query';
import { ApiError } from '../../api/client';
import type { IssueEvent } from '../../api/types';
import { issueEventQuery } from '../../api/queries';

interface LinkedEvent {
  event: IssueEvent | undefined;
  pending: boolean;
  /** The issue has no such event. */
  missing: boolean;
  error: Error | null;
  retry: () => void;
}

/** An event that the list of the range does not have, by its id. */
export function useLinkedEvent(project: number, issue: string, event: string | undefined, enabled: boolean): LinkedEvent {
  const { data, isPending, error, refetch } = useQuery({
    ...issueEventQuery(project, issue, event ?? ''),
    enabled,
    placeholderData: undefined,
    meta: { live: false },
  });
  const retry = () => void refetch();
  if (!enabled) return { event: undefined, pending: false, missing: false, error: null, retry };
  const missing = error instanceof ApiError && error.status === 404;
  return { event: data, pending: isPending, missing, error: data || missing ? null : error, retry };
}
