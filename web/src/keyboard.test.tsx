import { act, fireEvent, render } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { useKeyboardShortcuts, useRowNavigation } from './keyboard';

function Rows({ onOpen }: { onOpen: (at: number) => void }) {
  const { cursor, bodyRef } = useRowNavigation<HTMLUListElement>(3, onOpen);
  return (
    <>
      <input aria-label="field" />
      <ul ref={bodyRef} data-cursor={cursor ?? 'none'}>
        <li />
        <li />
        <li />
      </ul>
    </>
  );
}

const press = (key: string, target: Element | Document = document.body, init = {}) =>
  act(() => void fireEvent.keyDown(target, { key, ...init }));

it('moves through rows and opens one', () => {
  const open = vi.fn();
  const { container, getByLabelText } = render(<Rows onOpen={open} />);
  const cursor = () => container.querySelector('ul')?.dataset.cursor;
  press('Enter');
  expect(open).not.toHaveBeenCalled();
  press('j');
  press('j');
  expect(cursor()).toBe('1');
  press('k');
  press('k');
  expect(cursor()).toBe('0');
  for (let at = 0; at < 5; at += 1) press('j');
  expect(cursor()).toBe('2');
  press('Enter');
  expect(open).toHaveBeenCalledWith(2);
  press('k', getByLabelText('field'));
  press('k', document.body, { ctrlKey: true });
  expect(cursor()).toBe('2');
});

it('runs the latest handler', () => {
  const first = vi.fn();
  const second = vi.fn();
  function Page({ handler }: { handler: () => void }) {
    useKeyboardShortcuts({ x: handler });
    return null;
  }
  const { rerender } = render(<Page handler={first} />);
  rerender(<Page handler={second} />);
  press('x');
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledOnce();
});
