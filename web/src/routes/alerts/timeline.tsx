import { useState, type FormEvent } from 'react';
import { useDeed } from '../../api/alerts';
import type { Entry, Incident } from '../../api/types';
import { useT } from '../../i18n';
import { Icon, type IconName } from '../../components/icons';
import { ErrorMessage } from '../../components/states';
import { Timestamp, NumberWithUnit, UserText } from '../../components/values';
import { PermittedOrReason } from '../../components/permission';
import { useLocale } from '../../locale';
import { metricValue, TIMELINE_ENTRY_TEXT } from './labels';

const ENTRY_ICONS: Record<Entry['happened'], IconName> = {
  opened: 'bell',
  worsened: 'bell',
  improved: 'down',
  acknowledged: 'user',
  resolved: 'check',
  snoozed: 'close',
  note: 'chat',
  reminded: 'retry',
  escalated: 'go',
};

/** What happened, the oldest first, and a place to write something down. */
export function IncidentTimeline({ project, incident, timeline }: { project: number; incident: Incident; timeline: Entry[] }) {
  const t = useT();
  const { format } = useLocale();
  const action = useDeed(project, incident.id);
  const [note, setNote] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (note.trim()) action.mutate({ deed: 'notes', text: note.trim() }, { onSuccess: () => setNote('') });
  };
  return (
    <>
      <ol className="alerts-timeline">
        {timeline.map((entry, at) => (
          // Two things may happen in the same microsecond; the list only grows.
          <li key={at} className={entry.severity === 'critical' ? 'is-critical' : undefined}>
            <Icon name={ENTRY_ICONS[entry.happened] ?? 'bell'} size="small" />
            <span className="text-dim">
              <Timestamp at={entry.at} />
            </span>
            <span>
              {t(TIMELINE_ENTRY_TEXT[entry.happened] ?? 'alerts.timelineEntry.note')}
              {entry.severity && ['opened', 'worsened', 'improved'].includes(entry.happened) && `, ${t(`alerts.${entry.severity}`)}`}
              {entry.by && <span className="text-dim"> {t('alerts.byPerson', { name: entry.by })}</span>}
              {entry.text && <UserText className="alerts-timeline-text" text={entry.text} />}
            </span>
            <span className="numeric">
              {entry.value !== null && <NumberWithUnit v={metricValue(format, entry.value, incident.unit)} />}
            </span>
          </li>
        ))}
      </ol>
      <PermittedOrReason operation="post /api/v1/projects/{project}/alerts/incidents/{incident}/notes" project={project}>
        <form className="inline-form" onSubmit={submit}>
          <input
            className="field"
            value={note}
            maxLength={4000}
            aria-label={t('alerts.note')}
            placeholder={t('alerts.notePlaceholder')}
            onChange={(event) => setNote(event.target.value)}
          />
          <button type="submit" className="button" disabled={!note.trim() || action.isPending}>
            {t('common.add')}
          </button>
        </form>
      </PermittedOrReason>
      {action.error && <ErrorMessage error={action.error} title={t('common.notDone')} />}
    </>
  );
}
