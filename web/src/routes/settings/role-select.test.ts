import { expect, it } from 'vitest';
import type { Me } from '../../api/types';
import { highestRole, roleIn, rolesUpTo } from './role-select';

const me = (role: Me['role'], project_roles: Me['project_roles']) => ({ role, project_roles }) as Me;

it('takes the higher role of server and project', () => {
  expect(roleIn(me('member', { 1: 'admin' }), 1)).toBe('admin');
  expect(roleIn(me('admin', { 1: 'viewer' }), 1)).toBe('admin');
  expect(roleIn(me(null, { 1: 'viewer' }), 2)).toBeNull();
  expect(roleIn(me('owner', {}), 7)).toBe('owner');
});

it('finds the highest role of all', () => {
  expect(highestRole(me(null, { 1: 'viewer', 2: 'admin' }))).toBe('admin');
  expect(highestRole(me(null, {}))).toBeNull();
});

it('gives no role above the own one', () => {
  expect(rolesUpTo('admin')).toEqual(['viewer', 'member', 'admin']);
  expect(rolesUpTo(null)).toEqual([]);
});
