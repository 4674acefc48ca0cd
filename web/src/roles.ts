import { PERMISSIONS } from './api/permissions';
import type { Me, Role } from './api/types';

/* What the person who is signed in may do: the one place that decides it, from the roles that the API's document states for its operations. */

export const ROLES: readonly Role[] = ['viewer', 'member', 'admin', 'owner'];

const rankOf = (role: Role | null | undefined) => (role ? ROLES.indexOf(role) : -1);

/** The role of the caller in a project, the higher one of server and project. */
export function roleIn(me: Me, project: number): Role | null {
  return ROLES[Math.max(rankOf(me.role), rankOf(me.project_roles[String(project)]))] ?? null;
}

/** The highest role of the caller anywhere. */
export function highestRole(me: Me): Role | null {
  return ROLES[Math.max(rankOf(me.role), ...Object.values(me.project_roles).map(rankOf))] ?? null;
}

/** The roles that somebody with this role can give. */
export const rolesUpTo = (own: Role | null): readonly Role[] => ROLES.slice(0, rankOf(own) + 1);

/** Method and path of an operation that not everybody may call; one that everybody may call fails the type check. */
export type RestrictedOperation = keyof typeof PERMISSIONS;

export interface Permission {
  isAllowed: boolean;
  /** The lowest role that may. */
  needed: Role;
  /** The role of the caller where the operation takes place. */
  own: Role | null;
  /** Whether the role in a project counts, or only the role on the whole server. */
  isOfProject: boolean;
}

/** Whether the caller may call an operation; `project` is the one that its path names. */
export function permissionFor(me: Me, operation: RestrictedOperation, project: number | null): Permission {
  const needed: Role = PERMISSIONS[operation];
  const isOfProject = operation.includes('/projects/{project}');
  const own = isOfProject && project !== null ? roleIn(me, project) : me.role;
  return { isAllowed: rankOf(own) >= rankOf(needed), needed, own, isOfProject };
}
