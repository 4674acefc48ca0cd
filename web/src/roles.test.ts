import { expect, it } from 'vitest';
import { PERMISSIONS } from './api/permissions';
import type { Me, Role } from './api/types';
import { highestRole, permissionFor, roleIn, ROLES, rolesUpTo, type RestrictedOperation } from './roles';

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

const OPERATIONS = Object.keys(PERMISSIONS) as RestrictedOperation[];

it('allows a viewer none of the restricted operations, and an owner all', () => {
  const allowed = (role: Role) => OPERATIONS.filter((operation) => permissionFor(me(role, {}), operation, 1).isAllowed);
  expect(allowed('viewer')).toEqual([]);
  expect(allowed('owner')).toEqual(OPERATIONS);
  expect(allowed('admin')).toEqual(OPERATIONS);
});

it.each(ROLES)('compares the role %s with the one that the operation needs', (role) => {
  const isAllowed = (operation: RestrictedOperation) => permissionFor(me(role, {}), operation, 1).isAllowed;
  expect(isAllowed('post /api/v1/projects/{project}/issues/{issue}/merge')).toBe(role !== 'viewer');
  expect(isAllowed('patch /api/v1/projects/{project}')).toBe(role === 'admin' || role === 'owner');
});

it('takes the role in a project for the operations of this project alone', () => {
  const local = me(null, { 1: 'admin' });
  expect(permissionFor(local, 'patch /api/v1/projects/{project}', 1).isAllowed).toBe(true);
  expect(permissionFor(local, 'patch /api/v1/projects/{project}', 2).isAllowed).toBe(false);
  expect(permissionFor(local, 'post /api/v1/projects', 1)).toEqual({ isAllowed: false, needed: 'admin', own: null, isOfProject: false });
});
