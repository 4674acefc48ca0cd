import type { ReactNode } from 'react';
import { useT } from '../i18n';
import { useMe } from '../project';
import { permissionFor, type Permission, type RestrictedOperation } from '../roles';

/** Whether the person who is signed in may call an operation, in this project if it is one of a project. */
export const usePermission = (operation: RestrictedOperation, project: number | null = null): Permission =>
  permissionFor(useMe(), operation, project);

/** Why something cannot be changed or seen here. */
export function usePermissionReason({ needed, own, isOfProject }: Permission): string {
  const t = useT();
  const vars = { needed: t(`role.${needed}`), own: own === null ? t('permission.noRole') : t(`role.${own}`) };
  return t(isOfProject ? 'permission.inProject' : 'permission.onServer', vars);
}

interface PermittedProps {
  operation: RestrictedOperation;
  /** The project of the operation; left out if it is one of the whole server. */
  project?: number | null;
  children: ReactNode;
}

/** Shows what calls an operation only to those who may call it. */
export function Permitted({ operation, project = null, children }: PermittedProps) {
  return usePermission(operation, project).isAllowed && children;
}

/** In place of what somebody may not do. */
export function PermissionNote({ permission }: { permission: Permission }) {
  return <p className="permission-note text-dim text-small">{usePermissionReason(permission)}</p>;
}

/** Shows what calls an operation, or why it cannot be called, where a reader would look for it. */
export function PermittedOrReason({ operation, project = null, children }: PermittedProps) {
  const permission = usePermission(operation, project);
  return permission.isAllowed ? children : <PermissionNote permission={permission} />;
}

/** The fields of a form: whoever may not save them can still read them. `grid` says that the form is a grid. */
export function PermittedFields({ operation, project = null, grid = false, children }: PermittedProps & { grid?: boolean }) {
  const permission = usePermission(operation, project);
  if (permission.isAllowed) return children;
  return (
    <fieldset className={grid ? 'permission-fields form-grid form-full-width' : 'permission-fields'} disabled>
      <legend>
        <PermissionNote permission={permission} />
      </legend>
      {children}
    </fieldset>
  );
}
