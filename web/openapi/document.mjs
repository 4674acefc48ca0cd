// The server's OpenAPI document: how it is checked in, and what is derived from it.

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

export function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })),
  );
}

/** Maps whose keys are values of an enum, as objects with one optional field per value: openapi-typescript ignores `propertyNames`. */
export function withKeysAsFields(part) {
  if (Array.isArray(part)) return part.map(withKeysAsFields);
  if (part === null || typeof part !== 'object') return part;
  const { propertyNames, additionalProperties, ...rest } = Object.fromEntries(
    Object.entries(part).map(([key, value]) => [key, withKeysAsFields(value)]),
  );
  if (propertyNames?.enum)
    return { ...rest, additionalProperties: false, properties: Object.fromEntries(propertyNames.enum.map((key) => [key, additionalProperties])) };
  return { ...rest, ...(propertyNames && { propertyNames }), ...(additionalProperties !== undefined && { additionalProperties }) };
}

/** The facts about the values of enums, by the names of their schemas: the extension `x-facts`. */
export const factsOf = ({ components }) =>
  Object.fromEntries(
    Object.entries(components.schemas)
      .filter(([, schema]) => schema['x-facts'])
      .map(([name, schema]) => [name, schema['x-facts']]),
  );

/** Roles of people that permit more than the role viewer. Programs that provision accounts have a permission of their own. */
const ROLES_ABOVE_VIEWER = ['member', 'admin', 'owner'];

/** The permissions above that of a viewer, by operation: the extension `x-permission`. */
export const permissionsOf = (document) =>
  Object.fromEntries(
    operationsOf(document)
      .map(({ path, method, operation }) => [`${method} ${path}`, operation['x-permission']])
      .filter(([, permission]) => ROLES_ABOVE_VIEWER.includes(permission)),
  );
