import { expect, it } from 'vitest';
import type { Frame } from '../../api/types';
import { groupFrames } from './frame-groups';

const frame = (fn: string, own: boolean): Frame => ({
  function: fn,
  module: null,
  filename: null,
  lineno: null,
  in_app: own,
  context_line: null,
  pre_context: [],
  post_context: [],
  abs_path: null,
  colno: null,
  package: null,
  instruction_addr: null,
  vars: {},
});

it('collapses library frames, innermost first', () => {
  const found = groupFrames([frame('main', true), frame('lib1', false), frame('lib2', false), frame('mine', true), frame('deep', false)]);
  expect(found.map((run) => (run.own ? run.frame.function : run.frames.map(({ function: fn }) => fn)))).toEqual([
    ['deep'],
    'mine',
    ['lib2', 'lib1'],
    'main',
  ]);
});

it('shows all frames where none is marked as ours', () => {
  expect(groupFrames([frame('a', false), frame('b', false)]).every(({ own }) => own)).toBe(true);
});
