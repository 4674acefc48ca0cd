import type { Me, Role } from '../../api/types';
import { useT } from '../../i18n';

export const ROLES: readonly Role[] = ['viewer', 'member', 'admin', 'owner'];

/** The role of the caller in a project, the higher one of server and project. */
export function roleIn(me: Me, project: number): Role | null {
  const ranks = [me.role, me.project_roles[String(project)]].map((role) => (role ? ROLES.indexOf(role) : -1));
  return ROLES[Math.max(...ranks)] ?? null;
}

/** The highest role of the caller anywhere. */
export function highestRole(me: Me): Role | null {
  const ranks = [me.role, ...Object.values(me.project_roles)].map((role) => (role ? ROLES.indexOf(role) : -1));
  return ROLES[Math.max(...ranks)] ?? null;
}

export const isAdmin = (role: Role | null) => role === 'admin' || role === 'owner';

/** The roles that somebody with this role can give. */
export const rolesUpTo = (own: Role | null): readonly Role[] => (own ? ROLES.slice(0, ROLES.indexOf(own) + 1) : []);

interface RoleSelectProps {
  role: Role;
  /** The role of the caller: a higher one can neither be given nor changed. */
  own: Role | null;
  label: string;
  disabled?: boolean;
  onChange: (role: Role) => void;
}

export function RoleSelect({ role, own, label, disabled, onChange }: RoleSelectProps) {
  const t = useT();
  const roles = rolesUpTo(own);
  if (!roles.includes(role)) return <>{t(`role.${role}`)}</>;
  return (
    <select
      className="field"
      value={role}
      disabled={disabled}
      aria-label={label}
      onChange={(event) => onChange(event.target.value as Role)}
    >
      {roles.map((one) => (
        <option key={one} value={one}>
          {t(`role.${one}`)}
        </option>
      ))}
    </select>
  );
}
