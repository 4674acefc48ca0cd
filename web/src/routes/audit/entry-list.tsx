import { useState } from 'react';
import type { AuditEntry } from '../../api/types';
import { Icon } from '../../components/icons';
import { Chip, Timestamp, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useRowNavigation } from '../../keyboard';
import { useMe } from '../../project';
import { actionWords } from './action-words';
import { EntryDetail } from './entry-detail';

/** Entries, one row each; an opened row shows its details below. */
export function EntryList({ entries, isStale }: { entries: AuditEntry[]; isStale: boolean }) {
  const t = useT();
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const toggle = (sequence: number) => setOpened((was) => (was.has(sequence) ? without(was, sequence) : new Set([...was, sequence])));
  const { cursor, setCursor, bodyRef } = useRowNavigation<HTMLOListElement>(entries.length, (at) => entries[at] && toggle(entries[at].sequence));
  return (
    <div className={isStale ? 'audit-list is-stale' : 'audit-list'} aria-busy={isStale || undefined}>
      <div className="audit-row audit-head" aria-hidden="true">
        <span />
        <span>{t('audit.time')}</span>
        <span>{t('audit.actor')}</span>
        <span>{t('audit.action')}</span>
        <span>{t('audit.object')}</span>
        <span>{t('audit.address')}</span>
      </div>
      <ol ref={bodyRef} aria-label={t('audit.entries')}>
        {entries.map((entry, at) => (
          <li key={entry.sequence} className={cursor === at ? 'audit-item is-current' : 'audit-item'}>
            <EntryRow
              entry={entry}
              isOpen={opened.has(entry.sequence)}
              onToggle={() => {
                setCursor(at);
                toggle(entry.sequence);
              }}
            />
            {opened.has(entry.sequence) && <EntryDetail entry={entry} />}
          </li>
        ))}
      </ol>
    </div>
  );
}

const without = (all: ReadonlySet<number>, one: number) => new Set([...all].filter((other) => other !== one));

interface EntryRowProps {
  entry: AuditEntry;
  isOpen: boolean;
  onToggle: () => void;
}

/** An entry in one row. The button is the row. */
function EntryRow({ entry, isOpen, onToggle }: EntryRowProps) {
  const t = useT();
  const { projects } = useMe();
  const { actor, project_id: project } = entry;
  const projectName = project === null ? null : (projects.find(({ id }) => id === project)?.name ?? String(project));
  return (
    <div className="audit-row">
      <button
        type="button"
        className="audit-toggle"
        data-testid="audit-entry"
        aria-expanded={isOpen}
        aria-label={t('audit.open', { action: entry.action, n: entry.sequence })}
        onClick={onToggle}
      >
        <Icon name={isOpen ? 'down' : 'right'} size="tiny" />
      </button>
      <span className="audit-time">
        <Timestamp at={entry.time} />
      </span>
      <span className="audit-actor ellipsis">
        <UserText text={actor.name || t('audit.nobody')} /> <span className="text-dim">{actor.credential}</span>
      </span>
      <ActionCell action={entry.action} />
      <span className="audit-object ellipsis">
        {entry.object} {projectName !== null && <UserText className="text-dim" text={projectName} />}
      </span>
      <span className="audit-address ellipsis text-dim">{entry.address ?? t('audit.noAddress')}</span>
    </div>
  );
}

function ActionCell({ action }: { action: string }) {
  const t = useT();
  const { area, middle, verb, failure } = actionWords(action);
  return (
    <span className="audit-action" title={action}>
      <span className="ellipsis">
        {area ? (
          <>
            <b>{t(area)}</b> {middle && <code className="text-dim">{middle}</code>} {verb && t(verb)}
          </>
        ) : (
          <code>{action}</code>
        )}
      </span>
      {failure && (
        <Chip tone="bad">
          <Icon name="close" size="tiny" />
          {t(failure === 'denied' ? 'audit.denied' : 'audit.failed')}
        </Chip>
      )}
    </span>
  );
}
