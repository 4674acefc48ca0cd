import { useState, type FormEvent } from 'react';
import { useCreateToken } from '../../api/people';
import type { Role } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { useMe } from '../../project';
import { LinkNote } from './invite-form';
import { highestRole, roleIn, rolesUpTo } from '../../roles';
import { RoleSelect } from './role-select';

const LIFETIMES: readonly { value: string; label: TextKey }[] = [
  { value: '30d', label: 'access.days30' },
  { value: '90d', label: 'access.days90' },
  { value: '365d', label: 'access.days365' },
  { value: '', label: 'access.neverExpires' },
];

/** A new API token of the account that is signed in. */
export function TokenForm() {
  const t = useT();
  const me = useMe();
  const create = useCreateToken();
  const [name, setName] = useState('');
  const [project, setProject] = useState('');
  const [chosen, setChosen] = useState<Role>('viewer');
  const [lifetime, setLifetime] = useState('90d');
  const [forProvider, setForProvider] = useState(false);
  const own = project ? roleIn(me, Number(project)) : highestRole(me);
  // With another project, the role may be too high.
  const role = rolesUpTo(own).includes(chosen) ? chosen : 'viewer';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const access = forProvider
      ? { kind: 'scim' as const, role: 'owner' as const }
      : { kind: 'api' as const, role, project_id: project ? Number(project) : undefined };
    create.mutate({ ...access, name: name.trim(), expires_in: lifetime || undefined }, { onSuccess: () => setName('') });
  };
  return (
    <>
      <form className="inline-form settings-token-form" onSubmit={submit}>
        <input
          className="field"
          value={name}
          onChange={(event) => setName(event.target.value)}
          aria-label={t('access.newToken')}
          placeholder={t('access.newToken')}
          maxLength={100}
          required
        />
        {me.role === 'owner' && (
          <select
            className="field"
            value={forProvider ? 'scim' : 'api'}
            onChange={(event) => setForProvider(event.target.value === 'scim')}
            aria-label={t('access.kind')}
          >
            <option value="api">{t('access.kindApi')}</option>
            <option value="scim">{t('access.kindScim')}</option>
          </select>
        )}
        {!forProvider && (
          <>
            <select className="field" value={project} onChange={(event) => setProject(event.target.value)} aria-label={t('access.project')}>
              <option value="">{t('access.allProjects')}</option>
              {me.projects.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
            <RoleSelect role={role} own={own} label={t('access.role')} onChange={setChosen} />
          </>
        )}
        <select className="field" value={lifetime} onChange={(event) => setLifetime(event.target.value)} aria-label={t('access.expires')}>
          {LIFETIMES.map(({ value, label }) => (
            <option key={value} value={value}>
              {t(label)}
            </option>
          ))}
        </select>
        <button type="submit" className="button" disabled={!name.trim() || create.isPending}>
          {t('common.add')}
        </button>
      </form>
      {forProvider && <p className="text-dim text-small">{t('access.scimWhy', { url: `${me.public_url}/scim/v2` })}</p>}
      {create.error && <ErrorMessage error={create.error} title={t('common.notSaved')} />}
      <LinkNote link={create.data ? { text: t('access.tokenCreated'), url: create.data.token } : null} />
    </>
  );
}
