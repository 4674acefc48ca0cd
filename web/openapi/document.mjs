// The server's OpenAPI document: how it is checked in, and how it is narrowed before types are generated from it.
import { isDeepStrictEqual } from 'node:util';
import { ALWAYS_SENT, LEFT_OUT, MIXED, NARROWED, SCHEMAS } from './narrow.mjs';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
};

/** Removes the version, which changes independently of the API, and sorts the keys. */
export function normalised(document) {
  const { version: _version, ...info } = document.info;
  return sorted({ ...document, info });
}

/** The contents of the file. */
export const asText = (document) => `${JSON.stringify(document, null, 2)}\n`;

const nameOf = (ref) => ref.split('/').at(-1);

/** Calls `call` for each object in a part of the document, including the part itself. */
function eachSchema(part, call) {
  if (part === null || typeof part !== 'object') return;
  if (!Array.isArray(part)) call(part);
  for (const value of Object.values(part)) eachSchema(value, call);
}

/** The names of the schemas that these parts of the document refer to, directly or not. */
function used(document, parts) {
  const names = new Set();
  const follow = (part) =>
    eachSchema(part, ({ $ref }) => {
      if (typeof $ref !== 'string' || names.has(nameOf($ref))) return;
      names.add(nameOf($ref));
      follow(document.components.schemas[nameOf($ref)]);
    });
  parts.forEach(follow);
  return names;
}

export function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })),
  );
}

/** Whether a schema is only a plain type, so that an entry of `NARROWED` adds something. */
function isWeak(schema) {
  const { description: _d, example: _e, format: _f, default: _v, minimum: _m, type, items, ...rest } = schema ?? {};
  if (Object.keys(rest).length > 0) return false;
  const types = [type ?? []].flat().filter((one) => one !== 'null');
  return types.every((one) => (one === 'array' ? isWeak(items) : ['string', 'object'].includes(one)));
}

/** The object schemas that a schema consists of, without those of its fields. */
function* objectsOf(schema) {
  if (schema.properties) yield schema;
  for (const part of [...(schema.allOf ?? []), ...(schema.oneOf ?? [])]) yield* objectsOf(part);
}

function fieldOf(schemas, at) {
  const [name, field] = at.split('.');
  if (!field && schemas[name]) return { properties: schemas, field: name };
  const within = [...objectsOf(schemas[name] ?? {})].find(({ properties }) => field in properties);
  if (!within) throw new Error(`narrow.mjs names ${at}, which the document does not have`);
  return { properties: within.properties, field };
}

/**
 * The document with the entries of `narrow.mjs` applied. Throws if an entry is no longer needed, so that the list shrinks as the document
 * improves.
 */
export function narrowed(document) {
  const whole = structuredClone(document);
  const { schemas } = whole.components;
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    if (schemas[name]) throw new Error(`The document has ${name} now: remove it from SCHEMAS in narrow.mjs`);
    schemas[name] = structuredClone(schema);
  }
  for (const { at, schema, whatever } of NARROWED) {
    const [method, path, status] = at.split(' ');
    const answer = path && whole.paths[path]?.[method.toLowerCase()].responses[status];
    const { properties, field } = answer
      ? { properties: Object.values((answer.content ??= { 'application/json': {} }))[0], field: 'schema' }
      : fieldOf(schemas, at);
    const before = properties[field];
    if (isDeepStrictEqual(before, schema) || !(whatever || isWeak(before)))
      throw new Error(`The document is more precise about ${at} now: remove it from NARROWED in narrow.mjs`);
    properties[field] = { ...structuredClone(schema), ...(before?.description && { description: before.description }) };
  }
  for (const name of MIXED) {
    const closed = schemas[name].allOf.filter(({ additionalProperties }) => additionalProperties === false);
    if (closed.length === 0) throw new Error(`${name} is valid now: remove it from MIXED in narrow.mjs`);
    for (const part of closed) delete part.additionalProperties;
  }
  // Operation ids are not unique: the generated types would confuse operations that have the same id.
  for (const { operation } of operationsOf(whole)) delete operation.operationId;
  requireSentFields(whole);
  return whole;
}

/** Marks the fields of answers as required, except those in `LEFT_OUT`. */
function requireSentFields(document) {
  const { schemas } = document.components;
  const operations = operationsOf(document).map(({ operation }) => operation);
  const answers = used(
    document,
    operations.map(({ responses }) => responses),
  );
  const requests = used(
    document,
    operations.map(({ requestBody }) => requestBody ?? {}),
  );
  for (const [name, fields] of Object.entries(LEFT_OUT))
    for (const field of fields) if (![...objectsOf(schemas[name] ?? {})].some(({ properties }) => field in properties)) throw new Error(`LEFT_OUT in narrow.mjs names ${name}.${field}, which is not there`);
  let changed = 0;
  for (const name of answers) {
    if (requests.has(name) || name in SCHEMAS) continue;
    for (const object of objectsOf(schemas[name])) {
      const required = Object.keys(object.properties).filter((field) => !LEFT_OUT[name]?.includes(field));
      if (required.length > (object.required?.length ?? 0)) changed += 1;
      object.required = required;
    }
  }
  if (ALWAYS_SENT && changed === 0) throw new Error('All fields of answers are required now: remove ALWAYS_SENT and LEFT_OUT from narrow.mjs');
}
