import { noteAnswer, noteNoAnswer, watchRequest } from './connection';
import type { AnswerOf, Method, OptionsOf, PathParametersOf, PathsWith, QueryOf } from './operation';

/** What went wrong, in the server's own words where it had any. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, code: string, message: string, hint: string | null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export type Params = Record<string, string | number | boolean | null | undefined>;

/** Omits empty parameters, except those in `evenEmpty`. */
export function withParams(path: string, params: Params = {}, evenEmpty: readonly PropertyKey[] = []): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && (value !== '' || evenEmpty.includes(key))) search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

const filled = (path: string, params: Params = {}) =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));

/** The URL of a stream or a download. */
export const addressOf = <P extends PathsWith<'get'>>(path: P, params: PathParametersOf<P, 'get'>, query?: QueryOf<P, 'get'>) =>
  withParams(filled(path, params as Params), (query ?? {}) as Params);

async function toError(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string; message?: string; hint?: string } };
    if (error?.message) return new ApiError(response.status, error.code ?? 'error', error.message, error.hint ?? null);
  } catch {
    // Not ours: a proxy's page or an empty body. The status line says as much as there is to say.
  }
  return new ApiError(response.status, 'http', `${response.status} ${response.statusText}`.trim(), null);
}

/** What a proxy answers in the place of a server that is not there. */
const NO_SERVER = [502, 503, 504];

const offline = () => new ApiError(0, 'offline', 'The server does not answer', null);

/** `OptionsOf` any operation. */
interface Sent {
  path?: Params;
  query?: Params;
  evenEmpty?: readonly PropertyKey[];
  body?: unknown;
  /** Sent as it is, in place of a body of JSON. */
  file?: Blob;
  signal?: AbortSignal;
}

/** The answer to a request; an answer that is an error is thrown. */
async function send(method: string, path: string, { path: named, query, evenEmpty, body, file, signal }: Sent = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  // A header that another site's form cannot set: the session cookie alone changes nothing.
  if (method !== 'GET') headers['x-hinomi-page'] = '1';
  if (body !== undefined) headers['content-type'] = 'application/json';

  let response: Response;
  const ended = watchRequest();
  try {
    response = await fetch(withParams(filled(path, named), query, evenEmpty), {
      method,
      headers,
      body: file ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal,
      credentials: 'same-origin',
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    noteNoAnswer();
    throw offline();
  } finally {
    ended();
  }
  if (!response.ok) {
    const error = await toError(response);
    if (error.code === 'http' && NO_SERVER.includes(error.status)) {
      noteNoAnswer();
      throw offline();
    }
    noteAnswer();
    throw error;
  }
  noteAnswer();
  return response;
}

async function request(method: string, path: string, options?: Sent): Promise<unknown> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined;
  return await response.json();
}

/** The body of an answer as it was sent. */
export const getText = async (address: string, signal: AbortSignal): Promise<string> => (await send('GET', address, { signal })).text();

const asker =
  <M extends Method>(method: M) =>
  <P extends PathsWith<M>>(path: P, ...options: OptionsOf<P, M>): Promise<AnswerOf<P, M>> =>
    request(method.toUpperCase(), path, options[0] as Sent) as Promise<AnswerOf<P, M>>;

/** Requests to the server's API. Paths, parameters, bodies and answers have the types of its OpenAPI document. */
export const api = { get: asker('get'), post: asker('post'), put: asker('put'), patch: asker('patch'), delete: asker('delete') };

/** How long a server that may be gone is waited for. */
const PROBE_MS = 8_000;

/** Asks the server whether it is there; whatever it answers, the connection is noted. */
export async function probe(): Promise<boolean> {
  try {
    await api.get('/api/v1/me', { signal: AbortSignal.timeout(PROBE_MS) });
  } catch (error) {
    if (!(error instanceof ApiError)) noteNoAnswer();
    return error instanceof ApiError && error.status > 0;
  }
  return true;
}
