import { Link } from '@tanstack/react-router';
import type { IssueEvent } from '../../api/types';
import { useT } from '../../i18n';
import { fieldTerm } from '../../filter-query';
import { rangeAround } from '../../range';
import { useRange, useLocale } from '../../locale';

interface EventSidebarProps {
  project: string;
  events: IssueEvent[];
  shown: IssueEvent | undefined;
  select: (at: number) => void;
}

/** The facts of the event that is shown, and the other events. */
export function EventSidebar({ project, events, shown, select }: EventSidebarProps) {
  const t = useT();
  const { format } = useLocale();
  return (
    <aside className="issues-sidebar">
      {shown && <EventProperties project={project} event={shown} />}
      <section className="pane">
        <div className="section-head">
          <h2>{t('issues.recent')}</h2>
          <span className="section-note">{t('issues.recentWhy')}</span>
        </div>
        <ul className="issues-event-list">
          {events.map((event, at) => (
            <li key={event.event_id}>
              <button
                type="button"
                className={event === shown ? 'is-current' : undefined}
                aria-current={event === shown}
                onClick={() => select(at)}
              >
                <time dateTime={event.time}>{format.moment(event.time)}</time>
                <span className="text-dim ellipsis" title={event.user_id ?? event.environment ?? undefined}>
                  {event.user_id ?? event.environment ?? ''}
                </span>
                <code className="text-dim">{event.trace_id?.slice(0, 8) ?? '–'}</code>
              </button>
            </li>
          ))}
        </ul>
      </section>
    </aside>
  );
}

function EventProperties({ project, event }: { project: string; event: IssueEvent }) {
  const t = useT();
  const range = useRange();
  const fields: [string, string | null, string][] = [
    [t('issues.user'), event.user_id, 'user'],
    [t('issues.environment'), event.environment, 'environment'],
    [t('issues.release'), event.release, 'release'],
    ...Object.entries(event.tags).map(([name, value]): [string, string, string] => [name, value, `tag.${name}`]),
  ];
  return (
    <section className="pane issues-event-line">
      <div className="section-head">
        <h2>{t('issues.tags')}</h2>
      </div>
      <dl className="property-list">
        {fields.map(([name, value, field]) => (
          <div key={field} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>
              {value === null ? (
                <span className="text-dim">{t('common.noValue')}</span>
              ) : (
                <Link
                  className="text-link"
                  to="/p/$project/traces"
                  params={{ project }}
                  search={{ q: fieldTerm(field, value), ...rangeAround(range, Date.parse(event.time)) }}
                >
                  {value}
                </Link>
              )}
            </dd>
          </div>
        ))}
        <dt>{t('issues.level')}</dt>
        <dd>{event.level}</dd>
        <dt>{t('issues.eventId')}</dt>
        <dd className="monospace">{event.event_id}</dd>
      </dl>
    </section>
  );
}
