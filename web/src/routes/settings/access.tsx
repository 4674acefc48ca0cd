import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Session, Token } from '../../api/project-types';
import { sessionsQuery, tokensQuery, useRevoke } from '../../api/queries';
import { useT } from '../../i18n';
import { Rich } from '../../parts/rich';
import { ErrorPart, Skeleton } from '../../parts/states';
import { Table, type Column } from '../../parts/table';
import { Chip, Moment } from '../../parts/values';

/** Who may ask: API tokens and browsers that are signed in. */
export function Access() {
  return (
    <>
      <Tokens />
      <Sessions />
    </>
  );
}

function Tokens() {
  const t = useT();
  const { data, error, refetch } = useQuery(tokensQuery);
  const rights = ({ admin, project_id: project }: Token) =>
    admin ? t('access.admin') : project === null ? t('access.readsAll') : t('access.readsProject', { project });
  const columns: Column<Token>[] = [
    {
      key: 'name',
      head: t('settings.keyName'),
      grow: true,
      cell: (token) => (
        <>
          <b>{token.name}</b>
          {token.expires_at !== null && Date.parse(token.expires_at) <= Date.now() && <Chip tone="wrn">{t('access.expired')}</Chip>}
        </>
      ),
    },
    { key: 'rights', head: t('access.rights'), cell: rights },
    { key: 'created', head: t('settings.created'), num: true, optional: true, cell: (token) => <Moment at={token.created_at} /> },
    {
      key: 'used',
      head: t('settings.lastUsed'),
      num: true,
      optional: true,
      cell: ({ last_used_at: used }) => (used ? <Moment at={used} /> : <span className="dim">{t('settings.never')}</span>),
    },
    {
      key: 'expires',
      head: t('access.expires'),
      num: true,
      cell: ({ expires_at: at }) => (at ? <Moment at={at} /> : <span className="dim">{t('access.neverExpires')}</span>),
    },
    { key: 'do', head: '', num: true, cell: ({ id }) => <Revoke what="tokens" id={id} /> },
  ];
  return (
    <section className="pane keys tokens">
      <div className="head">
        <h2>{t('access.tokens')}</h2>
      </div>
      <p className="dim">
        <Rich text={t('access.tokensWhy')} />
      </p>
      {error && !data && <ErrorPart error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && data.tokens.length > 0 && (
        <Table label={t('access.tokens')} columns={columns} rows={data.tokens} rowKey={({ id }) => String(id)} />
      )}
    </section>
  );
}

function Sessions() {
  const t = useT();
  const { data, error, refetch } = useQuery(sessionsQuery);
  const columns: Column<Session>[] = [
    {
      key: 'client',
      head: t('access.client'),
      grow: true,
      cell: (session) => (
        <>
          <span className="ell" title={session.client ?? undefined}>
            {session.client ?? '–'}
          </span>
          {session.current && <Chip>{t('access.current')}</Chip>}
        </>
      ),
    },
    { key: 'created', head: t('access.since'), num: true, optional: true, cell: (session) => <Moment at={session.created_at} /> },
    { key: 'used', head: t('settings.lastUsed'), num: true, optional: true, cell: (session) => <Moment at={session.last_used_at} /> },
    { key: 'expires', head: t('access.expires'), num: true, cell: (session) => <Moment at={session.expires_at} /> },
    { key: 'do', head: '', num: true, cell: ({ id, current }) => !current && <Revoke what="sessions" id={id} /> },
  ];
  return (
    <section className="pane keys">
      <div className="head">
        <h2>{t('access.sessions')}</h2>
      </div>
      <p className="dim">{t('access.sessionsWhy')}</p>
      {error && !data && <ErrorPart error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={1} />}
      {data && <Table label={t('access.sessions')} columns={columns} rows={data.sessions} rowKey={({ id }) => String(id)} />}
    </section>
  );
}

/** Asks once more in place. */
function Revoke({ what, id }: { what: 'tokens' | 'sessions'; id: number }) {
  const t = useT();
  const revoke = useRevoke(what);
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className={sure ? 'btn danger' : 'btn quiet'}
      disabled={revoke.isPending}
      onBlur={() => setSure(false)}
      onClick={() => (sure ? revoke.mutate(id) : setSure(true))}
    >
      {t(sure ? 'access.revokeConfirm' : what === 'tokens' ? 'access.revoke' : 'access.endSession')}
    </button>
  );
}
