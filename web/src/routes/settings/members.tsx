import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { membersQuery, useAddMember, useMemberRole, useRemoveMember } from '../../api/people';
import type { Member, Project } from '../../api/types';
import { useT } from '../../i18n';
import { ConfirmButton } from '../../components/confirm-button';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { PermittedOrReason, usePermission } from '../../components/permission';
import { useMe } from '../../project';
import { InviteForm, LinkNote, type ShownLink } from './invite-form';
import { roleIn, rolesUpTo } from '../../roles';
import { RoleSelect } from './role-select';

/** People and programs with a role in one project. */
export function Members({ project }: { project: Project }) {
  const t = useT();
  const me = useMe();
  const canChange = usePermission('put /api/v1/projects/{project}/members/{account}', project.id).isAllowed;
  // Without the permission no role can be given.
  const own = canChange ? roleIn(me, project.id) : null;
  const { data, error, refetch } = useQuery(membersQuery(project.id));
  const add = useAddMember(project.id);
  const update = useMemberRole(project.id);
  const remove = useRemoveMember(project.id);
  const [link, setLink] = useState<ShownLink | null>(null);
  const columns: Column<Member>[] = [
    {
      key: 'name',
      head: t('access.account'),
      grow: true,
      cell: ({ account }) => <b className="ellipsis">{account.email ?? account.name}</b>,
    },
    {
      key: 'role',
      head: t('access.role'),
      cell: ({ account, role }) => (
        <RoleSelect
          role={role}
          own={own}
          label={t('people.roleOf', { name: account.name })}
          disabled={update.isPending}
          onChange={(role) => update.mutate({ account: account.id, role })}
        />
      ),
    },
    {
      key: 'do',
      head: '',
      num: true,
      cell: ({ account, role }) =>
        rolesUpTo(own).includes(role) && (
          <ConfirmButton label={t('settings.removeKey')} disabled={remove.isPending} onConfirm={() => remove.mutate(account.id)} />
        ),
    },
  ];
  const failed = update.error ?? remove.error;
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('people.members')}</h2>
      </div>
      <p className="text-dim">{t('people.membersWhy')}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={1} />}
      {data && data.members.length > 0 && (
        <Table label={t('people.members')} columns={columns} rows={data.members} rowKey={({ account }) => String(account.id)} />
      )}
      <PermittedOrReason operation="post /api/v1/projects/{project}/members" project={project.id}>
        <InviteForm
          own={own}
          label={t('common.add')}
          pending={add.isPending}
          error={add.error}
          onInvite={(invited, done) =>
            add.mutate(invited, {
              onSuccess: ({ invitation_url: url }) => {
                setLink({ text: t(url === null ? 'people.added' : 'people.invitation', { email: invited.email }), url });
                done();
              },
            })
          }
        />
      </PermittedOrReason>
      <LinkNote link={link} />
      {failed && <ErrorMessage error={failed} title={t('common.notSaved')} />}
    </section>
  );
}
