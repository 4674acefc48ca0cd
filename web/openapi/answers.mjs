// Validates answers against the document. Stricter than the document: fields that it does not name are errors too.
import Ajv from 'ajv/dist/2020.js';
import { operationsOf } from './document.mjs';

const inDefinitions = (ref) => ref.replace('#/components/schemas/', '#/$defs/');

/** Rejects unknown fields. `open`: the schema may be part of another one, which rejects them instead. */
function closed(schema, open = false) {
  if (schema === null || typeof schema !== 'object') return schema;
  const all = (list) => list?.map((part) => closed(part, open));
  const { $ref, allOf, oneOf, properties, items, prefixItems, additionalProperties, ...rest } = schema;
  const isObject = $ref || allOf || properties;
  return {
    ...rest,
    ...($ref && { $ref: inDefinitions($ref) }),
    ...(allOf && { allOf: allOf.map((part) => closed(part, true)) }),
    ...(oneOf && { oneOf: all(oneOf) }),
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, closed(part)])) }),
    ...(items !== undefined && { items: closed(items) }),
    ...(prefixItems && { prefixItems: prefixItems.map((part) => closed(part)) }),
    ...(additionalProperties !== undefined && { additionalProperties: closed(additionalProperties) }),
    ...(isObject && !open && additionalProperties === undefined && { unevaluatedProperties: false }),
  };
}

/**
 * Returns `problems(method, path, status, body)`, which lists what is wrong with an answer. `path` is a path of the document; `body` is
 * undefined if there is none.
 */
export function answerChecker(document) {
  const definitions = Object.fromEntries(Object.entries(document.components.schemas).map(([name, schema]) => [name, closed(schema, true)]));
  const answers = new Map();
  for (const { path, method, operation } of operationsOf(document)) {
    for (const [status, { content }] of Object.entries(operation.responses)) {
      const name = `${method} ${path} ${status}`;
      const schema = content && Object.values(content)[0].schema;
      answers.set(name, schema ? `answer-${answers.size}` : null);
      if (schema) definitions[answers.get(name)] = closed(schema);
    }
  }
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: 'api', $defs: definitions });
  return (method, path, status, body) => {
    const name = `${method} ${path} ${status}`;
    const schema = answers.get(name);
    if (schema === undefined) return [`${name}: the document has no such answer`];
    if (schema === null) return body === undefined ? [] : [`${name}: the document has no body`];
    const check = ajv.getSchema(`api#/$defs/${schema}`);
    if (check(body)) return [];
    const said = check.errors.map(({ instancePath, message, params }) => `${name} ${instancePath}: ${message} ${JSON.stringify(params)}`);
    return [...new Set(said)];
  };
}
