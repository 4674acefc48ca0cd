import type { Role } from '../../api/types';
import { useT } from '../../i18n';
import { rolesUpTo } from '../../roles';

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
