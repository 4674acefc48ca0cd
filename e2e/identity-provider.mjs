// A real OpenID Connect provider: npm's `oidc-provider`, with people who can be removed and keys that can be replaced.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const CLIENT = { id: 'hinomi', secret: 'a secret of at least thirty-two characters' };

const newKey = () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
};

/** Starts a provider that has no client yet. `people` maps names to e-mail addresses. */
export async function startIdentityProvider(people) {
  let handler = (_, response) => response.writeHead(503).end();
  const server = createServer((request, response) => handler(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let key = newKey();

  const configurationFor = (url) => ({
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [`${url}/auth/oidc/callback`],
        post_logout_redirect_uris: [`${url}/sign-in`],
        backchannel_logout_uri: `${url}/auth/oidc/back-channel-logout`,
        backchannel_logout_session_required: true,
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ['only for tests'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_, id) => {
      const person = people.get(id);
      return person && { accountId: id, claims: () => ({ sub: id, email_verified: true, name: id, ...person }) };
    },
  });

  return {
    /** What a server needs to use the provider. */
    settings: {
      HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER: issuer,
      HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_ID: CLIENT.id,
      HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET: CLIENT.secret,
      HINOMI_SIGN_IN_OPENID_CONNECT_ALLOW: '127.0.0.1',
    },
    issuer,
    /** Begins to serve a server at this URL. */
    serve(url) {
      handler = new Provider(issuer, configurationFor(url)).callback();
    },
    /** Signs with a new key from now on. People stay signed in. */
    replaceKey(url) {
      key = newKey();
      this.serve(url);
    },
    stop: () => server.closeAllConnections() || server.close(),
  };
}

/** Signs in on the provider's page, and consents if it asks. */
export async function signInAtProvider(page, name) {
  await page.getByPlaceholder('Enter any login').fill(name);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  const consent = page.getByRole('button', { name: 'Continue' });
  await consent.waitFor();
  await consent.click();
}
