import { useState, type FormEvent } from 'react';
import { ApiError } from '../../api/client';
import { useChangePassword } from '../../api/people';
import { useT } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { useMe } from '../../project';

const MIN_PASSWORD_LENGTH = 10;

/** The account that is signed in, and its password. */
export function OwnPassword() {
  const t = useT();
  const { account } = useMe();
  const change = useChangePassword();
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const clear = () => {
      setCurrent('');
      setPassword('');
    };
    change.mutate({ current_password: current, password }, { onSuccess: clear });
  };
  const isWrong = change.error instanceof ApiError && change.error.status === 401;
  return (
    <section className="pane settings-keys">
      <div className="section-head">
        <h2>{t('people.ownAccount')}</h2>
      </div>
      <p className="text-dim">{t('people.signedInAs', { name: account.email ?? account.name })}</p>
      {account.email !== null && (
        <form className="inline-form settings-password-form" onSubmit={submit}>
          <input type="text" name="username" autoComplete="username" value={account.email} readOnly hidden />
          <input
            className="field"
            type="password"
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
            autoComplete="current-password"
            aria-label={t('people.currentPassword')}
            placeholder={t('people.currentPassword')}
          />
          <input
            className="field"
            type="password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            autoComplete="new-password"
            aria-label={t('password.new')}
            placeholder={t('password.new')}
            minLength={MIN_PASSWORD_LENGTH}
            required
          />
          <button type="submit" className="button" disabled={change.isPending || [...password].length < MIN_PASSWORD_LENGTH}>
            {t('people.changePassword')}
          </button>
        </form>
      )}
      {change.isSuccess && <p role="status">{t('people.passwordChanged')}</p>}
      {isWrong && (
        <p className="text-error" role="alert">
          {t('people.wrongPassword')}
        </p>
      )}
      {change.error && !isWrong && <ErrorMessage error={change.error} title={t('common.notSaved')} />}
    </section>
  );
}
