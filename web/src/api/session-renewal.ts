import { ApiError, withParams } from './client';

/** Whether the session is only valid again once the identity provider has confirmed it. */
export const needsRenewal = (error: unknown) => error instanceof ApiError && error.code === 'renewal_required';

/** The address at which a sign-in with the identity provider starts. */
export const providerAddress = (path: string, isSilent = false) =>
  withParams('/auth/oidc/start', { return: path, prompt: isSilent ? 'none' : undefined });

let isLeaving = false;

/** Goes to the identity provider, which confirms the session and leads back to a path. If it shows anything, the sign-in page appears. */
export function renewSession(path: string) {
  if (isLeaving) return;
  isLeaving = true;
  window.location.assign(providerAddress(path, true));
}
