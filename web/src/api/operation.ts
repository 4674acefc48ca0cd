/** Types of requests and answers, by path and method of the server's OpenAPI document. */
import type { paths } from './schema';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Paths that have this method. */
export type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];

type Operation<P extends keyof paths, M extends Method> = paths[P][M];

type Json<Content> = Content extends { content: infer Types } ? Types[keyof Types] : undefined;

/** The body of a successful answer; undefined if it has none. */
export type AnswerOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? Json<R[keyof R & (200 | 201 | 202 | 204)]> : never;

export type PathParametersOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { path: infer T } } ? T : Record<never, never>;

/** Null and undefined are not sent. */
export type QueryOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { query?: infer T } } ? { [K in keyof T]: T[K] | (undefined extends T[K] ? null : never) } : never;

type BodyOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody: { content: infer T } }
    ? T extends { 'application/json': infer B }
      ? { body: B }
      : /** Sent as it is, instead of a JSON body. */ { file: Blob }
    : Record<never, never>;

/** Required if one of its fields is. */
type Named<Name extends string, T> = [T] extends [undefined | never] ? unknown : object extends T ? Partial<Record<Name, T>> : Record<Name, T>;

type Options<P extends keyof paths, M extends Method> = Named<'path', PathParametersOf<P, M>> &
  Named<'query', NonNullable<QueryOf<P, M>>> &
  BodyOf<P, M> & {
    /** Parameters that are sent even if they are empty. */
    evenEmpty?: readonly (keyof QueryOf<P, M>)[];
    signal?: AbortSignal;
  };

/** The argument after the path. Optional if nothing in it is required. */
export type OptionsOf<P extends keyof paths, M extends Method> =
  object extends Options<P, M> ? [options?: Options<P, M>] : [options: Options<P, M>];
