import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useDeleteTrace, usePin } from '../../api/queries';
import type { Project, TraceDetail } from '../../api/types';
import { useT } from '../../i18n';

/** Whether the trace stays, and the way to delete it. */
export function PinAndDelete({ project, data }: { project: Project; data: TraceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const { trace_id: id } = data.trace;
  const pin = usePin(project.id, id);
  const remove = useDeleteTrace(project.id, id);
  const [asked, setAsked] = useState(false);
  const { pinned } = data;
  const failed = pin.error ?? remove.error;
  const gone = () => void navigate({ to: '/p/$project/traces', params: { project: String(project.id) } });
  return (
    <span className="trace-pin-and-delete">
      <button
        type="button"
        className="action-link"
        aria-pressed={pinned}
        title={t('trace.pinWhy')}
        disabled={pin.isPending}
        onClick={() => pin.mutate(!pinned)}
      >
        {pinned ? t('trace.pinned') : t('trace.pin')}
      </button>
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
      {failed && (
        <span className="text-error" role="alert">
          {failed.message}
        </span>
      )}
    </span>
  );
}
