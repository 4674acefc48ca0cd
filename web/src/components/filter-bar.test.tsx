import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client';
import { FilterBar } from './filter-bar';

vi.mock('../project', () => ({ useProjectOrNull: () => null }));
vi.mock('../locale', () => ({ useRange: () => ({ span: { from: '-24h', to: 'now' } }), useLocale: () => ({ format: { count: String } }) }));
afterEach(cleanup);

function bar(q: string, error?: unknown) {
  const change = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <FilterBar q={q} onChange={change} error={error} />
    </QueryClientProvider>,
  );
  const line = screen.getByRole('combobox') as HTMLInputElement;
  const type = (value: string) => act(() => void fireEvent.change(line, { target: { value } }));
  const press = (key: string, init = {}) => act(() => void fireEvent.keyDown(line, { key, ...init }));
  return { change, line, type, press };
}

it('accepts a completion with the arrow keys and continues with its value', () => {
  const { line, type, press, change } = bar('user:u_1');
  type('mod');
  expect(line.getAttribute('aria-expanded')).toBe('true');
  press('ArrowDown');
  expect(line.getAttribute('aria-activedescendant')).toBe('filter-option-0');
  press('Enter');
  expect(line.value).toBe('model:');
  expect(change).not.toHaveBeenCalled();
  type('model:gpt-4o');
  press('Enter');
  expect(change).toHaveBeenCalledWith('user:u_1 model:gpt-4o');
});

it('leaves Enter to the input method during conversion', () => {
  const { type, press, change } = bar('');
  type('へんきん');
  press('Enter', { isComposing: true });
  expect(change).not.toHaveBeenCalled();
});

it('closes its list before it leaves the line, and takes back the last term', () => {
  const { line, type, press, change } = bar('model:a,"b c" -status:error');
  type('us');
  press('Escape');
  expect(line.getAttribute('aria-expanded')).toBe('false');
  type('');
  press('Backspace');
  expect(change).toHaveBeenCalledWith('model:a,"b c"');
});

it("shows the server's own words for a filter that it cannot read", () => {
  const { line } = bar('modle:x', new ApiError(400, 'bad_filter', 'unknown field "modle"', 'there are model provider'));
  expect(screen.getByRole('alert').textContent).toContain('unknown field "modle"');
  expect(line.getAttribute('aria-invalid')).toBe('true');
});
