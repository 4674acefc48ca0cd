import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useDeleteTrace, usePin } from '../../api/queries';
import type { Project, TraceDetail } from '../../api/types';
import { useT } from '../../i18n';
import { ShareButton } from './share-dialog';
import { Permitted, usePermission, usePermissionReason } from '../../components/permission';

/** Whether the trace stays, and the way to delete it. */
export function PinAndDelete({ project, data }: { project: Project; data: TraceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const { trace_id: id } = data.trace;
  const pin = usePin(project.id, id);
  const remove = useDeleteTrace(project.id, id);
  const [asked, setAsked] = useState(false);
  const { pinned } = data;
  const canPin = usePermission('put /api/v1/projects/{project}/traces/{trace}/pin', project.id);
  const whyNot = usePermissionReason(canPin);
  const failed = pin.error ?? remove.error;
  const gone = () => void navigate({ to: '/p/$project/traces', params: { project: String(project.id) } });
  return (
    <span className="trace-pin-and-delete">
      <button
        type="button"
        className="action-link"
        aria-pressed={pinned}
        title={canPin.isAllowed ? t('trace.pinWhy') : whyNot}
        disabled={pin.isPending || !canPin.isAllowed}
        onClick={() => pin.mutate(!pinned)}
      >
        {pinned ? t('trace.pinned') : t('trace.pin')}
      </button>
      <ShareButton project={project} trace={id} />
      <Permitted operation="delete /api/v1/projects/{project}/traces/{trace}" project={project.id}>
        {asked ? (
          <>
            <span className="text-error">{t('trace.deleteWarning')}</span>
            <button
              type="button"
              className="action-link text-error"
              disabled={remove.isPending}
              onClick={() => remove.mutate(undefined, { onSuccess: gone })}
            >
              {t('trace.deleteConfirm')}
            </button>
            <button type="button" className="action-link" onClick={() => setAsked(false)}>
              {t('common.cancel')}
            </button>
          </>
        ) : (
          <button type="button" className="action-link" onClick={() => setAsked(true)}>
            {t('trace.delete')}
          </button>
        )}
      </Permitted>
      {failed && (
        <span className="text-error" role="alert">
          {failed.message}
        </span>
      )}
    </span>
  );
}
