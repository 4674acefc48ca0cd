import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { issueQuery } from '../../api/queries';
import type { Issue, IssueEvent } from '../../api/types';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { Icon } from '../../components/icons';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Chip, Timestamp, UserText, UnknownValue } from '../../components/values';
import { useProject } from '../../project';
import { rangeAround } from '../../range';
import { useRange, useLocale } from '../../locale';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import { EventSidebar } from './event-sidebar';
import { EventBars } from './event-bars';
import { useLinkedEvent } from './linked-event';
import { Breadcrumbs, StackTrace } from './stack-trace';
import './issues.css';

/** One issue: how much, how often, and one of its events at a time. */
export default function IssueDetail() {
  const t = useT();
  const project = useProject();
  const range = useRange();
  const navigate = useNavigate();
  const { issue } = useParams({ from: '/app/p/$project/issues/$issue' });
  const { event } = useSearch({ from: '/app/p/$project/issues/$issue' });
  const { data, error, refetch } = useQuery(issueQuery(project.id, issue, range.span));
  usePageTitle(data ? `${data.issue.type}: ${data.issue.value}` : t('issues.title'));

  const events = data?.events ?? [];
  const listed = events.findIndex(({ event_id: id }) => id === event);
  // What the address names is shown, whether or not it is among the newest events of the range.
  const elsewhere = useLinkedEvent(project.id, issue, event, data !== undefined && event !== undefined && listed < 0);
  const at = listed < 0 && event === undefined ? 0 : listed;
  const shown = events[at] ?? elsewhere.event ?? (elsewhere.missing ? events[0] : undefined);
  const select = (to: number) => {
    const next = events[to];
    if (next) void navigate({ to: '.', search: (was) => ({ ...was, event: next.event_id, at: next.time }), replace: true });
  };
  const around = shown && at < 0 ? rangeAround(range, Date.parse(shown.time)) : {};
  useKeyboardShortcuts({
    '[': () => select(at - 1),
    ']': () => select(at + 1),
    j: () => select(at + 1),
    k: () => select(at - 1),
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
      {error && !data && (
        <div className="pane">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {!data && !error && (
        <div className="pane">
          <Skeleton rows={8} />
        </div>
      )}
      {data && (
        <>
          <IssueHeader issue={data.issue} />
          <div className="issues-layout">
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
                <EmptyState title={t('issues.noEvents')}>{t('issues.noEventsWhy')}</EmptyState>
              )}
              {shown && (
                <EventDetail project={String(project.id)} event={shown} at={events.indexOf(shown)} total={events.length} select={select} />
              )}
            </div>
            <EventSidebar project={String(project.id)} events={events} shown={shown} select={select} />
          </div>
        </>
      )}
    </>
  );
}

function IssueHeader({ issue }: { issue: Issue }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <header className="sheet issues-head">
      <div className="issues-name">
        <h1 className="line-clamp">{issue.type}</h1>
        <Chip tone={issue.handled === false ? 'bad' : undefined}>
          {issue.handled === false && <Icon name="issues" size="tiny" />}
          {issue.handled === false ? t('issues.unhandled') : issue.handled ? t('issues.handled') : issue.level}
        </Chip>
      </div>
      <div className="issues-value line-clamp">
        <UserText text={issue.value} />
      </div>
      {issue.culprit && <p className="text-dim monospace">{issue.culprit}</p>}
      <dl className="issues-facts">
        <div>
          <dt>{t('issues.count')}</dt>
          <dd>{format.count(issue.count)}</dd>
        </div>
        <div>
          <dt>{t('issues.traces')}</dt>
          <dd>{format.count(issue.traces)}</dd>
        </div>
        <div>
          <dt>{t('issues.users')}</dt>
          <dd>{format.count(issue.users)}</dd>
        </div>
        <div title={t('issues.costWhy')}>
          <dt>{t('issues.cost')}</dt>
          <dd>
            {issue.traces === 0 ? (
              '–'
            ) : issue.cost === null ? (
              <UnknownValue />
            ) : (
              <span title={format.moneyExact(issue.cost)}>{format.money(issue.cost)}</span>
            )}
          </dd>
        </div>
        <div>
          <dt>{t('issues.first')}</dt>
          <dd>
            <Timestamp at={issue.first_seen} />
          </dd>
        </div>
        <div>
          <dt>{t('issues.last')}</dt>
          <dd>
            <Timestamp at={issue.last_seen} />
          </dd>
        </div>
        <div className="issues-fact-wide">
          <dt>{t('issues.eventsOverTime')}</dt>
          <dd>
            <EventBars values={issue.points.map(([, n]) => n)} />
          </dd>
        </div>
      </dl>
    </header>
  );
}

interface EventDetailProps {
  project: string;
  event: IssueEvent;
  at: number;
  total: number;
  select: (at: number) => void;
}

function EventDetail({ project, event, at, total, select }: EventDetailProps) {
  const t = useT();
  const { format } = useLocale();
  const last = event.exceptions.length - 1;
  const causes = event.exceptions.slice(0, Math.max(0, last)).toReversed();
  return (
    <>
      <div className="pane issues-event">
        <div className="section-head">
          <h2>{at < 0 ? t('issues.eventOf') : t('issues.event', { n: at + 1, total })}</h2>
          <time className="section-note" dateTime={event.time}>
            {format.exact(event.time)}
          </time>
          <span className="spacer" />
          <button
            type="button"
            className="icon-button"
            disabled={at <= 0}
            onClick={() => select(at - 1)}
            title={`${t('issues.newer')} [`}
            aria-label={t('issues.newer')}
          >
            <Icon name="left" />
          </button>
          <button
            type="button"
            className="icon-button"
            disabled={at === total - 1}
            onClick={() => select(at + 1)}
            title={`${t('issues.older')} ]`}
            aria-label={t('issues.older')}
          >
            <Icon name="right" />
          </button>
          {event.trace_id ? (
            <Link
              className="button"
              to="/p/$project/traces/$trace"
              params={{ project, trace: event.trace_id }}
              search={{ span: event.span_id ?? undefined, at: event.time }}
            >
              {t('issues.openTrace')}
              <Icon name="go" size="tiny" />
            </Link>
          ) : (
            <span className="text-dim">{t('issues.noTrace')}</span>
          )}
        </div>
        <div className="issues-value text-error line-clamp">
          <b>{event.type}</b> <UserText text={event.value} />
        </div>
        {causes.map(({ type, value }, index) => (
          <p className="text-medium" key={`${type} ${value} ${causes.length - index}`}>
            {t('issues.causes')} <b>{type}</b> <UserText text={value} />
          </p>
        ))}
      </div>
      <StackTrace key={event.event_id} frames={event.frames} />
      <Breadcrumbs breadcrumbs={event.breadcrumbs} />
    </>
  );
}
