import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { keysQuery, useCreateKey, useDeleteKey } from '../../api/queries';
import type { Key, Project } from '../../api/project-types';
import { useT } from '../../i18n';
import { CopyButton, ErrorPart, Skeleton } from '../../parts/states';
import { Table, type Column } from '../../parts/table';
import { Chip, Moment } from '../../parts/values';

/** The project's DSN with another of its keys. */
export function dsnWith(dsn: string, key: string): string {
  const url = new URL(dsn);
  url.username = key;
  return url.toString();
}

export function Keys({ project }: { project: Project }) {
  const t = useT();
  const { data, error, refetch } = useQuery(keysQuery(project.id));
  const create = useCreateKey(project.id);
  const [name, setName] = useState('');
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
          {key.disabled && <Chip tone="wrn">{t('settings.refusesData')}</Chip>}
        </>
      ),
    },
    { key: 'key', head: t('settings.key'), grow: true, cell: ({ public_key: key }) => <code>{key}</code> },
    { key: 'created', head: t('settings.created'), num: true, optional: true, cell: (key) => <Moment at={key.created_at} /> },
    {
      key: 'used',
      head: t('settings.lastUsed'),
      num: true,
      optional: true,
      cell: ({ last_used_at: used }) => (used ? <Moment at={used} /> : <span className="dim">{t('settings.never')}</span>),
    },
    {
      key: 'do',
      head: '',
      num: true,
      cell: (key) => (
        <span className="keydo">
          <CopyButton quiet text={dsnWith(project.dsn, key.public_key)} label="DSN" />
          <RemoveKey project={project.id} id={key.id} />
        </span>
      ),
    },
  ];
  return (
    <section className="pane keys">
      <div className="head">
        <h2>{t('settings.keys')}</h2>
      </div>
      <p className="dim">{t('settings.keysWhy')}</p>
      {error && !data && <ErrorPart error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && <Table label={t('settings.keys')} columns={columns} rows={data.keys} rowKey={({ id }) => String(id)} />}
      <form className="addrow" onSubmit={submit}>
        <input
          className="field"
          value={name}
          onChange={(event) => setName(event.target.value)}
          aria-label={t('settings.newKey')}
          placeholder={t('settings.newKey')}
          maxLength={80}
        />
        <button type="submit" className="btn" disabled={!name.trim() || create.isPending}>
          {t('common.add')}
        </button>
      </form>
      {create.error && <ErrorPart error={create.error} title={t('common.notSaved')} />}
    </section>
  );
}

/** Asks once more in place: a removed key cannot be brought back. */
function RemoveKey({ project, id }: { project: number; id: number }) {
  const t = useT();
  const remove = useDeleteKey(project);
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className={sure ? 'btn danger' : 'btn quiet'}
      disabled={remove.isPending}
      onBlur={() => setSure(false)}
      onClick={() => (sure ? remove.mutate(id) : setSure(true))}
    >
      {sure ? t('settings.removeConfirm') : t('settings.removeKey')}
    </button>
  );
}
