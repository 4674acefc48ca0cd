import { expect, it } from 'vitest';
import { toolsOf } from './status';

it.each([
  [null, []],
  [[{ name: 'search' }, { name: 'book' }], [{ name: 'search' }, { name: 'book' }]],
  [{ name: 'search' }, [{ name: 'search' }]],
  ['search(query)', ['search(query)']],
])('finds the tools in %j', (tool_definitions, tools) => expect(toolsOf({ tool_definitions })).toEqual(tools));
