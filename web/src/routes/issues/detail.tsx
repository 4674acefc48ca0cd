import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { issueQuery, type Scope } from '../../api/queries';
import type { IssueEvent } from '../../api/types';
import { ApiError } from '../../api/client';
import { FilterBar } from '../../components/filter-bar';
import { ISSUE_VOCABULARY } from '../../components/filter-vocabulary';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useRange } from '../../locale';
import { useProject } from '../../project';
import { rangeAround } from '../../range';
import { usePageTitle } from '../../shell/page-title';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { EventList } from './event-list';
import { EventView } from './event-view';
import { IssueGroups } from './issue-groups';
import { IssueHeader } from './issue-header';
import { useLinkedEvent } from './linked-event';
import { useNeighbourEvents } from './neighbour-events';
import { TagDistribution } from './tag-distribution';
import './issues.css';
import './event.css';
import './stack.css';
import './breadcrumbs.css';

const ROUTE = '/app/p/$project/issues/$issue';

/** The newest event stays in place while newer ones arrive, until another one is chosen. */
function useFirstEvent(issue: string, filter: string | undefined, events: IssueEvent[]): string | undefined {
  const key = `${issue} ${filter ?? ''}`;
  const [first, setFirst] = useState<{ key: string; event: string } | null>(null);
  const newest = events[0]?.event_id;
  if (newest !== undefined && first?.key !== key) setFirst({ key, event: newest });
  return first?.key === key && events.some(({ event_id: id }) => id === first.event) ? first.event : newest;
}

/** One issue: how often, whom, since when, and one of its events at a time. */
export default function IssueDetail() {
  const t = useT();
  const project = useProject();
  const range = useRange();
  const navigate = useNavigate();
  const { issue } = useParams({ from: ROUTE });
  const { event, q, view } = useSearch({ from: ROUTE });
  const scope = useMemo<Scope>(() => ({ ...range.span, q }), [range, q]);
  const { data, error, refetch, isFetching, isPlaceholderData: stale } = useQuery(issueQuery(project.id, issue, scope));
  // The message is at the filter.
  const unread = q !== undefined && error instanceof ApiError && error.status === 400;
  usePageTitle(data ? `${data.issue.title ?? data.issue.type}: ${data.issue.value}` : t('issues.title'));

  // An issue that was merged into another one is found under its old number. Only a fresh answer says so: it may have been split off since.
  const number = data?.issue.issue_id;
  useEffect(() => {
    if (number === undefined || stale || isFetching || String(number) === issue) return;
    void navigate({ to: '/p/$project/issues/$issue', params: { project: String(project.id), issue: String(number) }, search: (was) => was, replace: true });
  }, [number, stale, isFetching, issue, project.id, navigate]);

  const events = data?.events ?? [];
  const first = useFirstEvent(issue, q, events);
  const listed = events.findIndex(({ event_id: id }) => id === event);
  // The event in the address is shown, whether or not it is among the newest events of the range.
  const elsewhere = useLinkedEvent(project.id, issue, event, data !== undefined && event !== undefined && listed < 0);
  const at = event === undefined ? events.findIndex(({ event_id: id }) => id === first) : listed;
  const shown = events[at] ?? elsewhere.event ?? (elsewhere.missing ? events[0] : undefined);
  const place = shown ? events.indexOf(shown) : -1;
  const neighbours = useNeighbourEvents(project.id, issue, events, shown);
  const choose = (next: Pick<IssueEvent, 'event_id' | 'time'> | undefined) => {
    if (next) void navigate({ to: '.', search: (was) => ({ ...was, event: next.event_id, at: next.time }), replace: true });
  };
  const around = shown && at < 0 ? rangeAround(range, Date.parse(shown.time)) : {};
  useKeyboardShortcuts({
    '[': () => choose(neighbours.newer),
    ']': () => choose(neighbours.older),
    j: () => choose(neighbours.older),
    k: () => choose(neighbours.newer),
    Escape: () => void navigate({ to: '/p/$project/issues', params: { project: String(project.id) } }),
  });

  return (
    <>
      <TopBarSlot side="left">
        <span className="breadcrumb-slash">/</span>
        <Link className="picker" to="/p/$project/issues" params={{ project: String(project.id) }}>
          {t('issues.title')}
        </Link>
      </TopBarSlot>
      {q && (
        <FilterBar
          q={q}
          error={error}
          vocabulary={ISSUE_VOCABULARY}
          onChange={(next) =>
            void navigate({ to: '.', search: (was) => ({ ...was, q: next || undefined, event: undefined, at: undefined }) })
          }
        />
      )}
      {unread && <EmptyState title={t('traces.filterInvalid')}>{t('traces.filterInvalidWhy')}</EmptyState>}
      {error && !data && !unread && (
        <div className="pane">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {!data && !error && (
        <div className="pane">
          <Skeleton rows={8} />
        </div>
      )}
      {data && !unread && (
        <>
          <IssueHeader project={project.id} issue={data.issue} scope={scope} />
          <div className={stale ? 'issues-layout is-stale' : 'issues-layout'}>
            <div className="issues-main">
              {elsewhere.pending && (
                <div className="pane">
                  <Skeleton rows={6} />
                </div>
              )}
              {elsewhere.error && (
                <div className="pane">
                  <ErrorMessage error={elsewhere.error} onRetry={elsewhere.retry} />
                </div>
              )}
              {elsewhere.missing && event && (
                <p className="issues-note" role="status">
                  {t(shown ? 'issues.eventMissing' : 'issues.eventGone', { id: event })}
                </p>
              )}
              {elsewhere.event && around.from && (
                <p className="issues-note" role="status">
                  {t('issues.eventOutside')}{' '}
                  <button
                    type="button"
                    className="action-link"
                    onClick={() => void navigate({ to: '.', search: (was) => ({ ...was, ...around }), replace: true })}
                  >
                    {t('issues.showAround')}
                  </button>
                </p>
              )}
              {!shown && !elsewhere.pending && event === undefined && (
                <EmptyState title={t('issues.noEvents')}>{t(q ? 'issues.noEventsFiltered' : 'issues.noEventsWhy')}</EmptyState>
              )}
              {shown && (
                <EventView
                  project={project.id}
                  issue={data.issue}
                  scope={scope}
                  event={shown}
                  place={place < 0 ? null : place + 1}
                  total={data.issue.count}
                  onNewer={neighbours.newer && (() => choose(neighbours.newer))}
                  onOlder={neighbours.older && (() => choose(neighbours.older))}
                  raw={view === 'json'}
                  onRaw={(raw) => void navigate({ to: '.', search: (was) => ({ ...was, view: raw ? 'json' : undefined }), replace: true })}
                />
              )}
            </div>
            <aside className="issues-sidebar">
              <TagDistribution project={project.id} issue={data.issue.issue_id} scope={scope} total={data.issue.count} shown={shown} />
              <EventList events={events} shown={shown} onChoose={choose} />
              <IssueGroups key={data.issue.issue_id} project={project.id} issue={data.issue.issue_id} />
            </aside>
          </div>
        </>
      )}
    </>
  );
}
