import { useT } from '../../i18n';
import type { IssueEvent } from '../../api/types';
import { useLocale } from '../../locale';

interface EventListProps {
  events: IssueEvent[];
  shown: IssueEvent | undefined;
  onChoose: (event: IssueEvent) => void;
}

/** The newest events of the issue. */
export function EventList({ events, shown, onChoose }: EventListProps) {
  const t = useT();
  const { format } = useLocale();
  if (events.length === 0) return null;
  return (
    <section className="pane">
      <div className="section-head">
        <h2>{t('issues.recent')}</h2>
        <span className="section-note">{t('issues.recentWhy')}</span>
      </div>
      <ul className="issues-event-list">
        {events.map((event) => (
          <li key={event.event_id}>
            <button
              type="button"
              className={event.event_id === shown?.event_id ? 'is-current' : undefined}
              aria-current={event.event_id === shown?.event_id}
              onClick={() => onChoose(event)}
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
  );
}
