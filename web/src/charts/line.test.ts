import { expect, it } from 'vitest';
import { labelPosition, unbrokenSegments } from './line';

it('leaves gaps where there is no value', () => {
  expect(unbrokenSegments([1, 2, null, null, 5])).toEqual([
    [
      [0.5, 1],
      [1.5, 2],
    ],
    [[4.5, 5]],
  ]);
  expect(unbrokenSegments([null])).toEqual([]);
});

it('places a label only where there is room', () => {
  const flat = new Array<number>(48).fill(2);
  expect(labelPosition(flat, undefined, 10)?.top).toBe(80);
  expect(labelPosition(flat, new Array<number>(48).fill(3), 10)).toBeNull();
  expect(labelPosition(flat, new Array<number>(48).fill(8), 10)).not.toBeNull();
  expect(labelPosition([null, 1, null], undefined, 10)).toBeNull();
});
