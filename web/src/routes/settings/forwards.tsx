import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { forwardsQuery, useDeleteForward, useSaveForward } from '../../api/queries';
import { ApiError } from '../../api/client';
import type { Forward, ForwardType, Project } from '../../api/types';
import { useT, type T, type TextKey } from '../../i18n';
import { ConfirmButton } from '../../components/confirm-button';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp } from '../../components/values';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { useLocale } from '../../locale';

const SERVICES: readonly { type: ForwardType; label: string; placeholder: string; key: TextKey | null }[] = [
  { type: 'sentry', label: 'Sentry', placeholder: 'https://KEY@o0.ingest.sentry.io/0', key: null },
  { type: 'otlp', label: 'OTLP', placeholder: 'https://collector.example:4318', key: 'settings.forwardOtlpKey' },
  { type: 'langfuse', label: 'Langfuse', placeholder: 'https://cloud.langfuse.com', key: 'settings.forwardLangfuseKey' },
];

/** The services that what a project receives is passed on to. */
export function Forwards({ project }: { project: Project }) {
  const t = useT();
  const { format } = useLocale();
  const { data, error, refetch } = useQuery({ ...forwardsQuery(project.id), refetchInterval: 5000 });
  const save = useSaveForward(project.id);
  const remove = useDeleteForward(project.id);
  const columns: Column<Forward>[] = [
    {
      key: 'service',
      head: t('settings.forwardService'),
      cell: (forward) => (
        <>
          <b>{SERVICES.find(({ type }) => type === forward.type)?.label}</b>{' '}
          {!forward.enabled && <Chip tone="warning">{t('settings.forwardPaused')}</Chip>}
        </>
      ),
    },
    {
      key: 'url',
      head: 'URL',
      grow: true,
      cell: (forward) => (
        <>
          <code className="settings-forward-url">{forward.url}</code>
          {forward.last_error !== null && (
            <p className="text-error text-small" role="status">
              {forward.last_error} {forward.last_error_at !== null && <Timestamp at={forward.last_error_at} />}
            </p>
          )}
        </>
      ),
    },
    { key: 'queued', head: t('settings.forwardQueued'), num: true, optional: true, cell: ({ queued }) => format.count(queued) },
    { key: 'delivered', head: t('settings.forwardDelivered'), num: true, optional: true, cell: ({ delivered }) => format.count(delivered) },
    {
      key: 'failed',
      head: t('settings.forwardFailed'),
      num: true,
      optional: true,
      cell: ({ failed }) => <span className={failed > 0 ? 'text-error' : undefined}>{format.count(failed)}</span>,
    },
    {
      key: 'do',
      head: '',
      num: true,
      cell: (forward) => (
        <span className="row-actions">
          <Permitted operation="put /api/v1/projects/{project}/forwards/{forward}" project={project.id}>
            <button
              type="button"
              className="button button-quiet"
              disabled={save.isPending}
              onClick={() => save.mutate({ id: forward.id, draft: { type: forward.type, url: forward.url, enabled: !forward.enabled } })}
            >
              {t(forward.enabled ? 'settings.forwardPause' : 'settings.forwardResume')}
            </button>
          </Permitted>
          <Permitted operation="delete /api/v1/projects/{project}/forwards/{forward}" project={project.id}>
            <ConfirmButton label={t('settings.removeKey')} disabled={remove.isPending} onConfirm={() => remove.mutate(forward.id)} />
          </Permitted>
        </span>
      ),
    },
  ];
  const failed = save.error ?? remove.error;
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('settings.forwards')}</h2>
      </div>
      <p className="text-dim">{t('settings.forwardsWhy')}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && data.forwards.length > 0 && (
        <Table label={t('settings.forwards')} columns={columns} rows={data.forwards} rowKey={({ id }) => String(id)} />
      )}
      <PermittedOrReason operation="post /api/v1/projects/{project}/forwards" project={project.id}>
        <ForwardForm project={project.id} />
      </PermittedOrReason>
      {failed && <ErrorMessage error={failed} title={t('common.notSaved')} />}
    </section>
  );
}

/** A service to add. */
function ForwardForm({ project }: { project: number }) {
  const t = useT();
  const save = useSaveForward(project);
  const [type, setType] = useState<ForwardType>('sentry');
  const [url, setUrl] = useState('');
  const [key, setKey] = useState('');
  const service = SERVICES.find((known) => known.type === type)!;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const draft = { type, url: url.trim(), key: service.key && key.trim() ? key.trim() : undefined, enabled: true };
    save.mutate(
      { id: null, draft },
      {
        onSuccess: () => {
          setUrl('');
          setKey('');
        },
      },
    );
  };
  return (
    <>
      <form className="inline-form settings-forward-form" onSubmit={submit}>
        <select
          className="field"
          value={type}
          aria-label={t('settings.forwardService')}
          onChange={(event) => {
            setType(event.target.value as ForwardType);
            save.reset();
          }}
        >
          {SERVICES.map((known) => (
            <option key={known.type} value={known.type}>
              {known.label}
            </option>
          ))}
        </select>
        <input
          className="field"
          value={url}
          onChange={(event) => setUrl(event.target.value)}
          aria-label={t(type === 'sentry' ? 'settings.forwardDsn' : 'settings.forwardUrl')}
          placeholder={service.placeholder}
          autoComplete="off"
          spellCheck={false}
        />
        {service.key && (
          <input
            className="field"
            type="password"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-label={t(service.key)}
            placeholder={t(service.key)}
            autoComplete="off"
          />
        )}
        <button type="submit" className="button" disabled={!url.trim() || save.isPending}>
          {t('common.add')}
        </button>
      </form>
      {save.error && <ErrorMessage error={inReadersLanguage(save.error, url, t)} title={t('common.notSaved')} />}
    </>
  );
}

/** The server's error, in the reader's language where it is about a private address. */
function inReadersLanguage(error: Error, url: string, t: T): Error {
  if (!(error instanceof ApiError) || error.code !== 'target_not_allowed') return error;
  const address = URL.canParse(url) ? new URL(url).hostname : url;
  return new ApiError(error.status, error.code, t('alerts.notAllowed', { address }), t('alerts.notAllowedFix', { address }));
}
