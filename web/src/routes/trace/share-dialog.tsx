import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { sharesQuery, useCreateShare, useRevokeShare } from '../../api/shares';
import type { Project, ShareLink } from '../../api/types';
import { ConfirmButton } from '../../components/confirm-button';
import { Icon } from '../../components/icons';
import { usePermission, usePermissionReason } from '../../components/permission';
import { CopyButton, ErrorMessage, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';

const LIFETIMES = [1, 7, 30, 90];
const DEFAULT_LIFETIME = 7;

/** Opens the dialog with the links to a trace; disabled with the reason for whoever may not share. */
export function ShareButton({ project, trace }: { project: Project; trace: string }) {
  const t = useT();
  const permission = usePermission('post /api/v1/projects/{project}/shares', project.id);
  const reason = usePermissionReason(permission);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="action-link"
        disabled={!permission.isAllowed}
        title={permission.isAllowed ? t('share.why') : reason}
        onClick={() => setOpen(true)}
      >
        {t('share.share')}
      </button>
      {open && <ShareDialog project={project} trace={trace} onClose={() => setOpen(false)} />}
    </>
  );
}

interface ShareDialogProps {
  project: Project;
  trace: string;
  onClose: () => void;
}

function ShareDialog({ project, trace, onClose }: ShareDialogProps) {
  const t = useT();
  const { format } = useLocale();
  const dialog = useRef<HTMLDialogElement>(null);
  const create = useCreateShare(project.id, trace);
  const [days, setDays] = useState(DEFAULT_LIFETIME);
  const [messages, setMessages] = useState(project.hide_messages === 'nobody');
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate({ messages, expires_in: `${days}d` });
  };
  return (
    <dialog className="help-dialog trace-share-dialog" ref={dialog} onClose={onClose} aria-label={t('share.title')}>
      <div className="section-head">
        <h2>{t('share.title')}</h2>
        <button type="button" className="icon-button" onClick={onClose} aria-label={t('common.close')}>
          <Icon name="close" />
        </button>
      </div>
      <p className="text-dim text-small">{t('share.why')}</p>
      <form onSubmit={submit}>
        <label className="checkbox-row">
          <input
            type="checkbox"
            checked={messages}
            disabled={project.messages_hidden}
            onChange={(event) => setMessages(event.target.checked)}
          />
          {t('share.withMessages')}
        </label>
        {project.hide_messages !== 'nobody' && <p className="text-dim text-small">{t('share.hiddenInProject')}</p>}
        <p className="row-actions">
          <select className="field" value={days} aria-label={t('access.expires')} onChange={(event) => setDays(Number(event.target.value))}>
            {LIFETIMES.map((n) => (
              <option key={n} value={n}>
                {t('length.days', { n })}
              </option>
            ))}
          </select>
          <button type="submit" className="button button-primary" disabled={create.isPending}>
            {t('share.create')}
          </button>
        </p>
      </form>
      {create.error && <ErrorMessage error={create.error} title={t('common.notDone')} />}
      {create.data && (
        <div role="status">
          <p>{t('share.created', { time: format.moment(create.data.expires_at) })}</p>
          <p className="row-actions">
            <code className="trace-share-address">{create.data.url}</code>
            <CopyButton text={create.data.url} />
          </p>
        </div>
      )}
      <ShareList project={project} trace={trace} />
    </dialog>
  );
}

/** The links to the trace that work. Their addresses are not stored. */
function ShareList({ project, trace }: { project: Project; trace: string }) {
  const t = useT();
  const { data, error, refetch } = useQuery(sharesQuery(project.id, trace));
  const revoke = useRevokeShare(project.id, trace);
  if (error && !data) return <ErrorMessage error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton rows={1} />;
  if (data.shares.length === 0) return null;
  return (
    <>
      <h3>{t('share.existing')}</h3>
      <ul className="trace-share-list">
        {data.shares.map((link) => (
          <li key={link.id}>
            <ShareFacts link={link} />
            <ConfirmButton
              label={t('share.revoke')}
              question={t('share.revokeConfirm')}
              disabled={revoke.isPending}
              onConfirm={() => revoke.mutate(link.id)}
            />
          </li>
        ))}
      </ul>
      {revoke.error && <ErrorMessage error={revoke.error} title={t('common.notDone')} />}
    </>
  );
}

function ShareFacts({ link }: { link: ShareLink }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <span className="text-small">
      {t('share.by', { name: link.created_by, time: format.moment(link.created_at) })}{' '}
      <span className="text-dim">
        {t('share.until', { time: format.moment(link.expires_at) })} · {t(link.messages ? 'share.messagesShown' : 'share.messagesHidden')}
      </span>
    </span>
  );
}
