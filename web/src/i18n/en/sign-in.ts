/** Texts of signing in with an identity provider. */
export const signIn = {
  'provider.submit': 'Sign in with single sign-on',
  'provider.failed.declined': 'The identity provider declined the sign-in. Ask its administrator whether you may use Hinomi.',
  'provider.failed.login_required': 'The identity provider asks you to sign in again.',
  'provider.failed.provider_unavailable':
    'The identity provider cannot be used at the moment. Try again. If the problem remains, the server’s log shows the reason.',
  'provider.failed.client_rejected':
    'The identity provider rejects this server. An administrator must check the client ID, the client secret and the redirect URI.',
  'provider.failed.token_invalid': 'The identity provider’s answer is not valid. The server’s log shows the reason.',
  'provider.failed.token_time':
    'The identity provider’s answer is not valid at this time. An administrator must check the clocks of this server and of the provider.',
  'provider.failed.state_invalid': 'This sign-in has expired or was completed before. Try again.',
  'provider.failed.email_missing': 'The identity provider states no e-mail address for you. An administrator must add the scope email.',
  'provider.failed.email_unverified': 'The identity provider has not verified your e-mail address. Verify it there, then try again.',
  'provider.failed.email_domain': 'Addresses of your domain may not sign in to this server.',
  'provider.failed.not_invited': 'Your e-mail address is not invited. Ask an admin of this server for an invitation.',
  'provider.failed.deactivated': 'Your account is deactivated. Ask an admin of this server.',
  'provider.failed.linked_to_another':
    'Your e-mail address belongs to an account of another identity. An administrator can unlink that account with hinomi user unlink.',
  'provider.failed.no_role': 'None of your groups has access to this server. Ask an admin of this server.',
  'provider.failed.internal': 'The sign-in failed. The server’s log shows the reason.',
  'provider.usesProvider': 'This account signs in with single sign-on, not with a password.',
} as const;
