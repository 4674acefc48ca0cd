import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Role } from '../api/types';
import { setPrefs } from '../prefs';
import { Permitted, PermittedFields, PermittedOrReason } from './permission';

let role: Role | null = 'viewer';
vi.mock('../project', () => ({ useMe: () => ({ role: null, project_roles: role ? { 1: role } : {} }) }));

const MERGE = 'post /api/v1/projects/{project}/issues/{issue}/merge';
const SETTINGS = 'patch /api/v1/projects/{project}';
const form = (
  <>
    <Permitted operation={MERGE} project={1}>
      <button type="button">Merge</button>
    </Permitted>
    <PermittedOrReason operation="get /api/v1/system">
      <button type="button">System</button>
    </PermittedOrReason>
    <PermittedFields operation={SETTINGS} project={1}>
      <input aria-label="Name" defaultValue="Shop" />
    </PermittedFields>
  </>
);

beforeEach(() => setPrefs({ lang: 'en' }));
afterEach(cleanup);

it('offers a viewer nothing that would be denied, shows settings, and says why they cannot be changed', () => {
  role = 'viewer';
  render(form);
  expect(screen.queryByText('Merge')).toBeNull();
  expect(screen.queryByText('System')).toBeNull();
  expect(screen.getByText('This needs the role admin on this server. Your role is: none.')).toBeTruthy();
  expect(screen.getByText('This needs the role admin in this project. Your role is: viewer.')).toBeTruthy();
  const name = screen.getByLabelText<HTMLInputElement>('Name');
  expect(name.value).toBe('Shop');
  expect(name.closest('fieldset')?.disabled).toBe(true);
});

it('gives the reason in Japanese too', () => {
  setPrefs({ lang: 'ja' });
  render(form);
  expect(screen.getByText('このプロジェクトで「管理者」のロールが必要です。現在のロール: 閲覧者')).toBeTruthy();
});

it('lets a member merge but not change settings', () => {
  role = 'member';
  render(form);
  expect(screen.getByText('Merge')).toBeTruthy();
  expect(screen.getByLabelText('Name').closest('fieldset')?.disabled).toBe(true);
});

it('leaves the fields of an admin alone', () => {
  role = 'admin';
  render(form);
  expect(screen.getByLabelText('Name').closest('fieldset')).toBeNull();
});
