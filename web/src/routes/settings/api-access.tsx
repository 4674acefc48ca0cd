import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Session, Token } from '../../api/types';
import { sessionsQuery, tokensQuery, useRevoke } from '../../api/queries';
import { useT } from '../../i18n';
import { InlineCodeText } from '../../components/inline-code-text';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp } from '../../components/values';
import { TokenForm } from './token-form';

/** Who may ask: API tokens and browsers that are signed in. */
export function ApiAccess() {
  return (
    <>
      <TokenTable />
      <SessionTable />
    </>
  );
}

function TokenTable() {
  const t = useT();
  const { data, error, refetch } = useQuery(tokensQuery);
  const roleOf = ({ kind, role, project_id: project }: Token) =>
    kind === 'scim'
      ? t('access.kindScim')
      : project === null
        ? t('access.roleOfAll', { role: t(`role.${role}`) })
        : t('access.roleOfProject', { role: t(`role.${role}`), project });
  const columns: Column<Token>[] = [
    {
      key: 'name',
      head: t('settings.keyName'),
      grow: true,
      cell: (token) => (
        <>
          <b>{token.name}</b>
          {token.expires_at !== null && Date.parse(token.expires_at) <= Date.now() && <Chip tone="warning">{t('access.expired')}</Chip>}
        </>
      ),
    },
    { key: 'role', head: t('access.role'), cell: roleOf },
    { key: 'account', head: t('access.account'), optional: true, cell: ({ account }) => account.name },
    { key: 'created', head: t('settings.created'), num: true, optional: true, cell: (token) => <Timestamp at={token.created_at} /> },
    {
      key: 'used',
      head: t('settings.lastUsed'),
      num: true,
      optional: true,
      cell: ({ last_used_at: used }) => (used ? <Timestamp at={used} /> : <span className="text-dim">{t('settings.never')}</span>),
    },
    {
      key: 'expires',
      head: t('access.expires'),
      num: true,
      cell: ({ expires_at: at }) => (at ? <Timestamp at={at} /> : <span className="text-dim">{t('access.neverExpires')}</span>),
    },
    { key: 'do', head: '', num: true, cell: ({ id }) => <RevokeButton what="tokens" id={id} /> },
  ];
  return (
    <section className="pane settings-keys settings-tokens">
      <div className="section-head">
        <h2>{t('access.tokens')}</h2>
      </div>
      <p className="text-dim">
        <InlineCodeText text={t('access.tokensWhy')} />
      </p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && data.tokens.length > 0 && (
        <Table label={t('access.tokens')} columns={columns} rows={data.tokens} rowKey={({ id }) => String(id)} />
      )}
      <TokenForm />
    </section>
  );
}

function SessionTable() {
  const t = useT();
  const { data, error, refetch } = useQuery(sessionsQuery);
  const columns: Column<Session>[] = [
    {
      key: 'client',
      head: t('access.client'),
      grow: true,
      cell: (session) => (
        <>
          <span className="ellipsis" title={session.client ?? undefined}>
            {session.client ?? '–'}
          </span>
          {session.current && <Chip>{t('access.current')}</Chip>}
        </>
      ),
    },
    { key: 'account', head: t('access.account'), cell: ({ account }) => account.name },
    { key: 'address', head: t('access.address'), optional: true, cell: ({ address }) => address ?? '–' },
    { key: 'created', head: t('access.since'), num: true, optional: true, cell: (session) => <Timestamp at={session.created_at} /> },
    { key: 'used', head: t('settings.lastUsed'), num: true, optional: true, cell: (session) => <Timestamp at={session.last_used_at} /> },
    { key: 'expires', head: t('access.expires'), num: true, cell: (session) => <Timestamp at={session.expires_at} /> },
    { key: 'do', head: '', num: true, cell: ({ id, current }) => !current && <RevokeButton what="sessions" id={id} /> },
  ];
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('access.sessions')}</h2>
      </div>
      <p className="text-dim">{t('access.sessionsWhy')}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={1} />}
      {data && <Table label={t('access.sessions')} columns={columns} rows={data.sessions} rowKey={({ id }) => String(id)} />}
    </section>
  );
}

/** Asks once more in place. */
function RevokeButton({ what, id }: { what: 'tokens' | 'sessions'; id: number }) {
  const t = useT();
  const revoke = useRevoke(what);
  const [confirming, setConfirming] = useState(false);
  return (
    <button
      type="button"
      className={confirming ? 'button button-danger' : 'button button-quiet'}
      disabled={revoke.isPending}
      onBlur={() => setConfirming(false)}
      onClick={() => (confirming ? revoke.mutate(id) : setConfirming(true))}
    >
      {t(confirming ? 'access.revokeConfirm' : what === 'tokens' ? 'access.revoke' : 'access.endSession')}
    </button>
  );
}
