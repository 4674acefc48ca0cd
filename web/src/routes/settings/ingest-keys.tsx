import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { keysQuery, useCreateKey, useDeleteKey } from '../../api/queries';
import type { Key, Project } from '../../api/types';
import { useT } from '../../i18n';
import { CopyButton, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp } from '../../components/values';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { plain } from '../../format';
import { useLocale } from '../../locale';
import { KeyLimits } from './key-limits';

/** The project's DSN with another of its keys. */
export function dsnWith(dsn: string, key: string): string {
  const url = new URL(dsn);
  url.username = key;
  return url.toString();
}

export function IngestKeys({ project }: { project: Project }) {
  const t = useT();
  const { data, error, refetch } = useQuery(keysQuery(project.id));
  const create = useCreateKey(project.id);
  const [name, setName] = useState('');
  const [edited, setEdited] = useState<number | null>(null);
  const stored = data?.keys.find(({ id }) => id === edited);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) create.mutate(name.trim(), { onSuccess: () => setName('') });
  };
  const columns: Column<Key>[] = [
    {
      key: 'name',
      head: t('settings.keyName'),
      cell: (key) => (
        <>
          <b>{key.name}</b>
          {key.disabled && <Chip tone="warning">{t('access.expired')}</Chip>}
          {key.expires_at !== null && !key.disabled && (
            <span className="text-dim text-small">
              {' '}
              {t('settings.validUntil')} <Timestamp at={key.expires_at} />
            </span>
          )}
        </>
      ),
    },
    { key: 'key', head: t('settings.key'), grow: true, cell: ({ public_key: key }) => <code>{key}</code> },
    { key: 'limits', head: t('settings.limits'), optional: true, cell: (key) => <LimitSummary of={key} /> },
    { key: 'created', head: t('settings.created'), num: true, optional: true, cell: (key) => <Timestamp at={key.created_at} /> },
    {
      key: 'used',
      head: t('settings.lastUsed'),
      num: true,
      optional: true,
      cell: ({ last_used_at: used }) => (used ? <Timestamp at={used} /> : <span className="text-dim">{t('settings.never')}</span>),
    },
    {
      key: 'do',
      head: '',
      num: true,
      cell: (key) => (
        <span className="row-actions">
          {project.dsn !== null && <CopyButton quiet text={dsnWith(project.dsn, key.public_key)} label="DSN" />}
          <Permitted operation="patch /api/v1/projects/{project}/keys/{key}" project={project.id}>
            <button type="button" className="button button-quiet" onClick={() => setEdited(key.id)}>
              {t('settings.editLimits')}
            </button>
          </Permitted>
          <Permitted operation="delete /api/v1/projects/{project}/keys/{key}" project={project.id}>
            <RemoveKeyButton project={project.id} id={key.id} />
          </Permitted>
        </span>
      ),
    },
  ];
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('settings.keys')}</h2>
      </div>
      <p className="text-dim">{t('settings.keysWhy')}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && <Table label={t('settings.keys')} columns={columns} rows={data.keys} rowKey={({ id }) => String(id)} />}
      {stored && <KeyLimits key={stored.id} project={project.id} stored={stored} onClose={() => setEdited(null)} />}
      <PermittedOrReason operation="post /api/v1/projects/{project}/keys" project={project.id}>
        <form className="inline-form" onSubmit={submit}>
          <input
            className="field"
            value={name}
            onChange={(event) => setName(event.target.value)}
            aria-label={t('settings.newKey')}
            placeholder={t('settings.newKey')}
            maxLength={80}
          />
          <button type="submit" className="button" disabled={!name.trim() || create.isPending}>
            {t('common.add')}
          </button>
        </form>
      </PermittedOrReason>
      {create.error && <ErrorMessage error={create.error} title={t('common.notSaved')} />}
    </section>
  );
}

/** What the key is limited to, in short. */
function LimitSummary({ of: { items_per_minute: items, bytes_per_day: bytes, allowed_origins: origins } }: { of: Key }) {
  const t = useT();
  const { format } = useLocale();
  const parts = [
    items !== null && t('settings.itemsLimit', { n: format.count(items) }),
    bytes !== null && t('settings.bytesLimit', { n: plain(format.bytes(bytes)) }),
    origins.length > 0 && t('settings.originsLimit', { n: format.count(origins.length) }),
  ].filter((part) => part !== false);
  return parts.length > 0 ? parts.join(', ') : <span className="text-dim">{t('settings.noLimits')}</span>;
}

/** Asks once more in place: a removed key cannot be brought back. */
function RemoveKeyButton({ project, id }: { project: number; id: number }) {
  const t = useT();
  const remove = useDeleteKey(project);
  const [confirming, setConfirming] = useState(false);
  return (
    <button
      type="button"
      className={confirming ? 'button button-danger' : 'button button-quiet'}
      disabled={remove.isPending}
      onBlur={() => setConfirming(false)}
      onClick={() => (confirming ? remove.mutate(id) : setConfirming(true))}
    >
      {confirming ? t('settings.removeConfirm') : t('settings.removeKey')}
    </button>
  );
}
