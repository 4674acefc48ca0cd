import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { api, ApiError } from '../../api/client';
import { signInOptionsQuery } from '../../api/queries';
import { useT } from '../../i18n';
import { TowerIllustration } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { CopyButton } from '../../components/states';
import { PasswordForm } from './password-form';
import { ProviderButton } from './provider-button';
import { failureKey } from './provider-failure';
import './sign-in.css';

const SIGN_IN_COMMAND = 'hinomi login';

/** A whole link may be pasted as well as the token alone. */
export const tokenIn = (text: string) => /[?&]token=([^&\s]+)/.exec(text)?.[1] ?? text.trim();

/** Only a path of this page: a link may not lead from the sign-in to somewhere else. */
export const safePath = (path: string | undefined) => (path && /^\/(?![/\\])/.test(path) ? path : '/');

export default function SignIn() {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { error, then } = useSearch({ from: '/sign-in' });
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string | null>(error ? t(failureKey(error) ?? 'signin.expired') : null);
  const [busy, setBusy] = useState(false);
  const { data: options } = useQuery(signInOptionsQuery);

  const signIn = async (body: { token: string } | { email: string; password: string }) => {
    setBusy(true);
    try {
      await api.post('/api/v1/session', { body });
      client.clear();
      await navigate({ href: safePath(then) });
    } catch (cause) {
      const known = cause instanceof ApiError ? cause : null;
      setProblem(problemOf(known, 'token' in body) ?? String(known?.message ?? cause));
      setBusy(false);
    }
  };
  const problemOf = (error: ApiError | null, withToken: boolean) => {
    if (error?.status === 401) return t(withToken ? 'signin.refused' : 'signin.wrongPassword');
    if (error?.code === 'password_not_used') return t('provider.usesProvider');
    if (error?.status === 429) return t('signin.tooManyAttempts');
    return error?.code === 'offline' ? t('common.offline') : null;
  };
  const submitToken = (event: FormEvent) => {
    event.preventDefault();
    void signIn({ token: tokenIn(token) });
  };

  return (
    <main className="sign-in-page">
      <TowerIllustration />
      <h1>{t('signin.title')}</h1>
      <p>{t('signin.why')}</p>
      {problem && (
        <p className="text-error" role="alert">
          {problem}
        </p>
      )}
      {options?.openid_connect && <ProviderButton label={options.openid_connect.label} path={safePath(then)} />}
      {options?.passwords !== false && <PasswordForm busy={busy} onSubmit={(body) => void signIn(body)} />}
      <h2>{t('signin.withLink')}</h2>
      <p>{t('signin.runCommand')}</p>
      <div className="sign-in-command">
        <code>{SIGN_IN_COMMAND}</code>
        <CopyButton quiet text={SIGN_IN_COMMAND} />
      </div>
      <p className="text-dim">
        <InlineCodeText text={t('signin.dataFolder')} />
      </p>
      <form onSubmit={submitToken}>
        <label htmlFor="token">{t('signin.pasteToken')}</label>
        <div className="inline-form">
          <input
            className="field"
            id="token"
            value={token}
            onChange={(event) => setToken(event.target.value)}
            autoComplete="off"
            spellCheck={false}
            aria-label={t('signin.token')}
            required
          />
          <button type="submit" className="button button-primary" disabled={busy || !token.trim()}>
            {t('signin.submit')}
          </button>
        </div>
      </form>
    </main>
  );
}
