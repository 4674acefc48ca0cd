import { useState, type FormEvent } from 'react';
import { useT } from '../../i18n';

/** Sign-in with e-mail address and password. */
export function PasswordForm({ busy, onSubmit }: { busy: boolean; onSubmit: (body: { email: string; password: string }) => void }) {
  const t = useT();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit({ email, password });
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor="email">{t('signin.email')}</label>
      <input
        className="field"
        id="email"
        type="email"
        value={email}
        onChange={(event) => setEmail(event.target.value)}
        autoComplete="username"
        required
      />
      <label htmlFor="password">{t('signin.password')}</label>
      <div className="inline-form">
        <input
          className="field"
          id="password"
          type="password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          autoComplete="current-password"
          required
        />
        <button type="submit" className="button button-primary" disabled={busy || !email.trim() || !password}>
          {t('signin.submit')}
        </button>
      </div>
    </form>
  );
}
