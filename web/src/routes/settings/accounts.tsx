import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { accountsQuery, useInvite, usePasswordLink, useUpdateAccount } from '../../api/people';
import type { Account } from '../../api/types';
import { useT } from '../../i18n';
import { ConfirmButton } from '../../components/confirm-button';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp } from '../../components/values';
import { useMe } from '../../project';
import { InviteForm, LinkNote, type ShownLink } from './invite-form';
import { rolesUpTo } from '../../roles';
import { RoleSelect } from './role-select';

/** The account of whoever can read the data directory; it stays an active owner. */
const OPERATOR = 1;

/** All accounts of the server. */
export function Accounts() {
  const t = useT();
  const { role: own, account: self } = useMe();
  const { data, error, refetch } = useQuery(accountsQuery);
  const invite = useInvite();
  const update = useUpdateAccount();
  const createLink = usePasswordLink();
  const [link, setLink] = useState<ShownLink | null>(null);
  const newLink = ({ id, email }: Account) =>
    createLink.mutate(id, { onSuccess: ({ url }) => setLink({ text: t('people.passwordLink', { email: email ?? '' }), url }) });
  const columns: Column<Account>[] = [
    {
      key: 'name',
      head: t('access.account'),
      grow: true,
      cell: ({ email, name, kind, state }) => (
        <>
          <b className="ellipsis" title={name}>
            {email ?? name}
          </b>
          {kind === 'service' && <Chip>{t('people.service')}</Chip>}
          {state === 'invited' && <Chip>{t('people.invited')}</Chip>}
          {state === 'deactivated' && <Chip tone="warning">{t('people.deactivated')}</Chip>}
        </>
      ),
    },
    {
      key: 'role',
      head: t('access.role'),
      cell: ({ id, name, role }) =>
        role === null || id === OPERATOR ? (
          t(role === null ? 'people.projectsOnly' : `role.${role}`)
        ) : (
          <RoleSelect
            role={role}
            own={own}
            label={t('people.roleOf', { name })}
            disabled={update.isPending}
            onChange={(role) => update.mutate({ id, patch: { role } })}
          />
        ),
    },
    {
      key: 'seen',
      head: t('people.lastSignIn'),
      num: true,
      optional: true,
      cell: ({ last_sign_in_at: at }) => (at ? <Timestamp at={at} /> : <span className="text-dim">{t('settings.never')}</span>),
    },
    {
      key: 'do',
      head: '',
      num: true,
      cell: (account) =>
        account.id !== OPERATOR &&
        account.id !== self.id &&
        // An account with a role above the own one cannot be changed.
        (account.role === null || rolesUpTo(own).includes(account.role)) && <AccountActions account={account} onLink={newLink} />,
    },
  ];
  const failed = update.error ?? createLink.error;
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('people.accounts')}</h2>
      </div>
      <p className="text-dim">{t('people.accountsWhy')}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && <Table label={t('people.accounts')} columns={columns} rows={data.accounts} rowKey={({ id }) => String(id)} />}
      <InviteForm
        own={own}
        label={t('people.invite')}
        pending={invite.isPending}
        error={invite.error}
        onInvite={(invited, done) =>
          invite.mutate(invited, {
            onSuccess: ({ invitation_url: url }) => {
              setLink({ text: t(url === null ? 'people.added' : 'people.invitation', { email: invited.email }), url });
              done();
            },
          })
        }
      />
      <LinkNote link={link} />
      {failed && <ErrorMessage error={failed} title={t('common.notSaved')} />}
    </section>
  );
}

function AccountActions({ account, onLink }: { account: Account; onLink: (account: Account) => void }) {
  const t = useT();
  const update = useUpdateAccount();
  const { id, kind, state } = account;
  const setDeactivated = (deactivated: boolean) => update.mutate({ id, patch: { deactivated } });
  if (state === 'deactivated')
    return (
      <button type="button" className="button button-quiet" disabled={update.isPending} onClick={() => setDeactivated(false)}>
        {t('people.activate')}
      </button>
    );
  return (
    <span className="row-actions">
      {kind === 'person' && (
        <button type="button" className="button button-quiet" onClick={() => onLink(account)}>
          {t('people.newLink')}
        </button>
      )}
      <ConfirmButton
        label={t('people.deactivate')}
        question={t('people.deactivateConfirm')}
        disabled={update.isPending}
        onConfirm={() => setDeactivated(true)}
      />
    </span>
  );
}
