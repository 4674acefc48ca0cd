import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import { Clamped } from './clamped';

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

/** How high the text would be, and how much of it is shown. */
function heights(whole: number, shown: number) {
  vi.spyOn(HTMLElement.prototype, 'scrollHeight', 'get').mockReturnValue(whole);
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(shown);
}

it('opens what does not fit, and folds it again', () => {
  heights(900, 60);
  render(<Clamped>a long error</Clamped>);
  const text = screen.getByText('a long error');
  expect(text.className).toBe('lines');
  fireEvent.click(screen.getByRole('button'));
  expect(text.className).toBe('');
  fireEvent.click(screen.getByRole('button'));
  expect(text.className).toBe('lines');
});

it('has no button for what fits', () => {
  heights(20, 20);
  render(<Clamped>short</Clamped>);
  expect(screen.queryByRole('button')).toBeNull();
});
