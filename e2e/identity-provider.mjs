// A real OpenID Connect provider: npm's `oidc-provider`, with people who can be removed and keys that can be replaced.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const CLIENT = { id: 'hinomi', secret: 'a secret of at least thirty-two characters' };

const newKey = () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
};

/** What the provider stores. It outlives a new key, for which the provider is made anew. */
class Storage {
  static #values = new Map();
  #kind;

  /** Ends what a person has at the provider. */
  static forget(account) {
    for (const [key, value] of Storage.#values) if (value.accountId === account) Storage.#values.delete(key);
  }

  constructor(kind) {
    this.#kind = kind;
  }

  async upsert(id, payload) {
    Storage.#values.set(`${this.#kind}:${id}`, structuredClone(payload));
  }

  async find(id) {
    return structuredClone(Storage.#values.get(`${this.#kind}:${id}`));
  }

  async findByUid(uid) {
    return structuredClone([...Storage.#values].find(([key, value]) => key.startsWith(`${this.#kind}:`) && value.uid === uid)?.[1]);
  }

  async consume(id) {
    await this.upsert(id, { ...(await this.find(id)), consumed: Math.floor(Date.now() / 1000) });
  }

  async destroy(id) {
    Storage.#values.delete(`${this.#kind}:${id}`);
  }

  async revokeByGrantId(grant) {
    for (const [key, value] of Storage.#values) if (key.startsWith(`${this.#kind}:`) && value.grantId === grant) Storage.#values.delete(key);
  }
}

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
    adapter: Storage,
    // Its own client refuses addresses of this machine.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
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
      const provider = new Provider(issuer, configurationFor(url));
      provider.on('backchannel.error', (_, error) => console.error(error));
      provider.on('server_error', (_, error) => console.error(error));
      handler = provider.callback();
    },
    /** Signs with a new key from now on. People stay signed in. */
    replaceKey(url) {
      key = newKey();
      this.serve(url);
    },
    /** Removes a person, as an administrator does. */
    remove(name) {
      people.delete(name);
      Storage.forget(name);
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
