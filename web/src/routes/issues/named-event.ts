import { useQuery } from '@tanstack/react-query';
import type { IssueEvent } from '../../api/issue-types';
import { issueQuery, type Scope } from '../../api/queries';

interface NamedEvent {
  event: IssueEvent | undefined;
  pending: boolean;
  /** Neither its moment nor the newest events of all have it. */
  missing: boolean;
  error: Error | null;
  retry: () => void;
}

/** An event that the list of the range does not have: looked for at its moment, else among the newest of all. */
export function useNamedEvent(
  project: number,
  issue: string,
  event: string | undefined,
  time: string | undefined,
  enabled: boolean,
): NamedEvent {
  const moment = time === undefined ? NaN : Date.parse(time);
  const scope: Partial<Scope> = Number.isFinite(moment)
    ? { from: new Date(moment - 1000).toISOString(), to: new Date(moment + 1000).toISOString() }
    : {};
  const { data, isPending, error, refetch } = useQuery({
    ...issueQuery(project, issue, scope),
    enabled,
    placeholderData: undefined,
    meta: { live: false },
  });
  const found = data?.events.find(({ event_id: id }) => id === event);
  const retry = () => void refetch();
  if (!enabled) return { event: undefined, pending: false, missing: false, error: null, retry };
  return { event: found, pending: isPending, missing: data !== undefined && found === undefined, error: data ? null : error, retry };
}
