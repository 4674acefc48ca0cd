import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { api, ApiError } from '../../api/client';
import { useT } from '../../i18n';
import { TowerIllustration } from '../../components/icons';
import './sign-in.css';

/** Limits of the server, in characters. */
const MIN_PASSWORD_LENGTH = 10;
const MAX_PASSWORD_LENGTH = 256;

/** The token of a link is in the part after `#`, which a browser does not send. */
export const tokenOfHash = (hash: string) => new URLSearchParams(hash.replace(/^#/, '')).get('token') ?? '';

/** Where an invitation or a link for a new password leads. */
export default function SetPassword() {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [token] = useState(() => tokenOfHash(window.location.hash));
  const [password, setPassword] = useState('');
  const [isShown, setIsShown] = useState(false);
  const [problem, setProblem] = useState<string | null>(token ? null : t('password.incompleteLink'));
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await api.post('/api/v1/password', { body: { token, password } });
      client.clear();
      await navigate({ to: '/', replace: true });
    } catch (cause) {
      const known = cause instanceof ApiError ? cause : null;
      setProblem(
        known?.status === 401 ? t('password.expiredLink') : known?.code === 'offline' ? t('common.offline') : String(known?.message ?? cause),
      );
      setBusy(false);
    }
  };

  return (
    <main className="sign-in-page">
      <TowerIllustration />
      <h1>{t('password.title')}</h1>
      <p>{t('password.why', { min: MIN_PASSWORD_LENGTH })}</p>
      {problem && (
        <p className="text-error" role="alert">
          {problem}
        </p>
      )}
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor="password">{t('password.new')}</label>
        <div className="inline-form">
          <input
            className="field"
            id="password"
            type={isShown ? 'text' : 'password'}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            autoComplete="new-password"
            spellCheck={false}
            minLength={MIN_PASSWORD_LENGTH}
            maxLength={MAX_PASSWORD_LENGTH}
            required
          />
          <button type="submit" className="button button-primary" disabled={busy || !token || [...password].length < MIN_PASSWORD_LENGTH}>
            {t('password.submit')}
          </button>
        </div>
        <label className="sign-in-check">
          <input type="checkbox" checked={isShown} onChange={(event) => setIsShown(event.target.checked)} />
          {t('password.show')}
        </label>
      </form>
      <p>
        <Link to="/sign-in">{t('password.toSignIn')}</Link>
      </p>
    </main>
  );
}
