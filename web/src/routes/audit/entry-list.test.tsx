import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import type { AuditEntry } from '../../api/types';
import { ChainState } from './chain-state';
import { EntryList } from './entry-list';

vi.mock('../../locale', () => ({
  useLocale: () => ({ format: { count: String, exact: (at: string) => at, moment: (at: string) => at, zone: 'UTC' } }),
}));
vi.mock('../../project', () => ({ useMe: () => ({ projects: [{ id: 1, name: 'tabi-desk' }] }) }));
vi.mock('@tanstack/react-router', () => ({ Link: ({ children }: { children: string }) => <a href="/audit">{children}</a> }));

const entry = (sequence: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  sequence,
  time: '2026-11-23T08:00:00Z',
  actor: { account_id: 2, name: 'ann@example.com', credential: 'session 3' },
  action: 'keys.create',
  object: 'key 4',
  project_id: 1,
  address: '192.0.2.17',
  details: {},
  ...more,
});

const press = (key: string) => act(() => void fireEvent.keyDown(document.body, { key }));

afterEach(cleanup);

it('shows who did what to what, and from where', () => {
  const { container } = render(<EntryList entries={[entry(9), entry(8, { address: null, action: 'keys.delete.denied' })]} isStale={false} />);
  const [first, second] = [...container.querySelectorAll('li')].map(({ textContent }) => textContent);
  for (const text of ['ann@example.com', 'session 3', 'Ingest key', 'created', 'key 4', 'tabi-desk', '192.0.2.17']) expect(first).toContain(text);
  expect(second).toContain('denied');
  expect(second).toContain('no address');
});

it('opens an entry with the values before and after, by keyboard too', () => {
  const changes = { role: { before: 'viewer', after: 'admin' }, state: { before: null, after: 'active' } };
  render(<EntryList entries={[entry(9), entry(8, { details: { changes, why: { by: 'group' } } })]} isStale={false} />);
  expect(screen.queryByRole('table')).toBeNull();
  press('j');
  press('j');
  press('Enter');
  const rows = [...screen.getByRole('table').querySelectorAll('tbody tr')].map((row) => [...row.children].map(({ textContent }) => textContent));
  expect(rows).toEqual([
    ['role', 'viewer', 'admin'],
    ['state', 'none', 'active'],
  ]);
  expect(screen.getByText('{"by":"group"}')).toBeTruthy();
  press('Enter');
  expect(screen.queryByRole('table')).toBeNull();
  fireEvent.click(screen.getAllByRole('button')[1]!);
  expect(screen.getByRole('table')).toBeTruthy();
});

it('shows hostile texts as text', () => {
  const hostile = '<img src=x onerror="document.title=1">';
  const { container } = render(
    <EntryList entries={[entry(1, { object: hostile, action: hostile, actor: { account_id: null, name: hostile, credential: hostile }, details: { [hostile]: hostile } })]} isStale={false} />,
  );
  fireEvent.click(screen.getByRole('button'));
  expect(container.querySelector('img')).toBeNull();
  expect(container.textContent).toContain(hostile);
});

it('reports missing entries of a list without filters', () => {
  const entries = [entry(9), entry(6)];
  const { rerender } = render(<ChainState entries={entries} isFiltered={false} />);
  expect(screen.getByRole('alert').textContent).toContain('Missing entries: 7–8.');
  rerender(<ChainState entries={entries} isFiltered />);
  expect(screen.queryByRole('alert')).toBeNull();
  rerender(<ChainState entries={[entry(9), entry(8)]} isFiltered={false} />);
  expect(document.body.textContent).toContain('Entries 8 to 9, without gaps.');
});
