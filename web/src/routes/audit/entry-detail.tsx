import { Link } from '@tanstack/react-router';
import type { AuditEntry } from '../../api/types';
import { Table, type Column } from '../../components/table';
import { UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { changesOf, detailText, otherDetails, type FieldChange } from './entry-facts';

/** All facts of an entry: what changed, with the values before and after, and the links to similar entries. */
export function EntryDetail({ entry }: { entry: AuditEntry }) {
  const t = useT();
  const { format } = useLocale();
  const { actor, action, project_id: project } = entry;
  const changes = changesOf(entry);
  return (
    <div className="audit-detail">
      {changes.length > 0 && <Changes changes={changes} />}
      <dl className="property-list">
        <dt>{t('audit.action')}</dt>
        <dd>
          <code>{action}</code>
        </dd>
        {otherDetails(entry).map(([name, value]) => (
          <Detail key={name} name={name} value={detailText(value)} />
        ))}
        <dt>{t('audit.actor')}</dt>
        <dd>
          <UserText text={actor.name || t('audit.nobody')} />
          {actor.account_id !== null && <span className="text-dim"> {t('audit.accountNumber', { id: String(actor.account_id) })}</span>}
          {actor.credential && <span className="text-dim"> {actor.credential}</span>}
        </dd>
        <dt>{t('audit.address')}</dt>
        <dd>{entry.address ?? t('audit.noAddress')}</dd>
        <dt>{t('audit.time')}</dt>
        <dd>
          {format.exact(entry.time)} {format.zone}
        </dd>
        <dt>{t('audit.sequence')}</dt>
        <dd>{format.count(entry.sequence)}</dd>
      </dl>
      <p className="audit-links">
        <Link className="text-link" to="/audit" search={(was) => ({ ...was, action })}>
          {t('audit.sameAction')}
        </Link>
        {actor.account_id !== null && (
          <Link className="text-link" to="/audit" search={(was) => ({ ...was, account: String(actor.account_id) })}>
            {t('audit.sameActor')}
          </Link>
        )}
        {project !== null && (
          <Link className="text-link" to="/audit" search={(was) => ({ ...was, project: String(project) })}>
            {t('audit.sameProject')}
          </Link>
        )}
      </p>
    </div>
  );
}

function Detail({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <UserText text={value} />
      </dd>
    </>
  );
}

function Changes({ changes }: { changes: FieldChange[] }) {
  const t = useT();
  const valueCell = (value: unknown) =>
    value === null ? <span className="text-dim">{t('common.none')}</span> : <UserText text={detailText(value)} />;
  const columns: Column<FieldChange>[] = [
    { key: 'field', head: t('audit.field'), cell: ({ field }) => <code>{field}</code> },
    { key: 'before', head: t('audit.before'), cell: ({ before }) => valueCell(before) },
    { key: 'after', head: t('audit.after'), cell: ({ after }) => <b>{valueCell(after)}</b> },
  ];
  return (
    <div className="audit-changes">
      <Table label={t('audit.changes')} columns={columns} rows={changes} rowKey={({ field }) => field} />
    </div>
  );
}
