import { useState, type FormEvent } from 'react';
import type { Role } from '../../api/types';
import { useT } from '../../i18n';
import { CopyButton, ErrorMessage } from '../../components/states';
import { RoleSelect } from './role-select';

/** What a link is for, and the link: it is shown only once. */
export interface ShownLink {
  text: string;
  url: string | null;
}

interface InviteFormProps {
  own: Role | null;
  label: string;
  pending: boolean;
  error: Error | null;
  onInvite: (invited: { email: string; role: Role }, done: () => void) => void;
}

/** An e-mail address and a role. */
export function InviteForm({ own, label, pending, error, onInvite }: InviteFormProps) {
  const t = useT();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onInvite({ email: email.trim(), role }, () => setEmail(''));
  };
  return (
    <>
      <form className="inline-form" onSubmit={submit}>
        <input
          className="field"
          type="email"
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          aria-label={t('signin.email')}
          placeholder={t('signin.email')}
          maxLength={254}
          required
        />
        <RoleSelect role={role} own={own} label={t('access.role')} onChange={setRole} />
        <button type="submit" className="button" disabled={!email.trim() || pending}>
          {label}
        </button>
      </form>
      {error && <ErrorMessage error={error} title={t('common.notSaved')} />}
    </>
  );
}

/** A link to hand over. */
export function LinkNote({ link }: { link: ShownLink | null }) {
  if (!link) return null;
  return (
    <div className="settings-link-note" role="status">
      <p>{link.text}</p>
      {link.url !== null && (
        <p className="row-actions">
          <code>{link.url}</code>
          <CopyButton text={link.url} />
        </p>
      )}
    </div>
  );
}
