import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { api, ApiError } from '../../api/client';
import { useT } from '../../i18n';

export function SignOut() {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    const ended = await api.delete('/api/v1/session').catch((error: unknown) => {
      // The session has ended before.
      if (error instanceof ApiError && error.status === 401) return undefined;
      throw error;
    });
    if (ended) {
      // The session at the identity provider would sign the person in again.
      window.location.assign(ended.provider_sign_out_url);
      return;
    }
    // What was read stays in no cache for whoever comes next.
    await navigate({ to: '/sign-in' });
    client.clear();
  };
  return (
    <button type="button" className="button" onClick={() => void leave()}>
      {t('signin.signOut')}
    </button>
  );
}
