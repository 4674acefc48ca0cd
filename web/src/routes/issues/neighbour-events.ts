import { useQuery, type QueryClient } from '@tanstack/react-query';
import { issueQuery, projectKey } from '../../api/queries';
import type { IssueEvent } from '../../api/types';

/** An event as far as a link needs it. */
type EventPlace = Pick<IssueEvent, 'event_id' | 'time'>;

interface NeighbourEvents {
  newer: EventPlace | undefined;
  older: EventPlace | undefined;
}

/** Requests that look for the next newer event: each narrows the time range to a 24th. */
const MAX_STEPS = 6;

async function findOlder(client: QueryClient, project: number, issue: string, time: string): Promise<EventPlace | null> {
  const { events } = await client.fetchQuery(issueQuery(project, issue, { to: time }));
  return events[0] ?? null;
}

/**
 * The oldest event after a time. The API lists the newest events first, and counts those in equal parts of the range: the first part with
 * another event becomes the next range, until the list has all of it.
 */
async function findNewer(client: QueryClient, project: number, issue: string, time: string): Promise<EventPlace | null> {
  const at = Date.parse(time);
  let [from, to] = [time, 'now'];
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const { issue: found, events } = await client.fetchQuery(issueQuery(project, issue, { from, to }));
    const later = events.filter((event) => Date.parse(event.time) > at);
    // The range starts with the event itself.
    const part = found.points.findIndex(([start, count]) => count > (Date.parse(start) <= at ? 1 : 0));
    if (found.count <= events.length || part < 0) return later.at(-1) ?? null;
    from = found.points[part]![0];
    to = found.points[part + 1]?.[0] ?? to;
  }
  return null;
}

/**
 * The events before and after one. Within the listed events they are known; at the end of the list, and for an event that the list does not
 * have, the server is asked.
 */
export function useNeighbourEvents(project: number, issue: string, events: IssueEvent[], shown: IssueEvent | undefined): NeighbourEvents {
  const at = shown ? events.findIndex(({ event_id: id }) => id === shown.event_id) : -1;
  const older = useQuery({
    queryKey: [...projectKey(project), 'older event', issue, shown?.event_id],
    queryFn: ({ client }) => findOlder(client, project, issue, shown!.time),
    enabled: shown !== undefined && (at < 0 || at === events.length - 1),
    meta: { live: false },
  });
  const newer = useQuery({
    queryKey: [...projectKey(project), 'newer event', issue, shown?.event_id],
    queryFn: ({ client }) => findNewer(client, project, issue, shown!.time),
    enabled: shown !== undefined && at < 0,
    meta: { live: false },
  });
  if (at < 0) return { newer: newer.data ?? undefined, older: older.data ?? undefined };
  return { newer: events[at - 1], older: events[at + 1] ?? older.data ?? undefined };
}
