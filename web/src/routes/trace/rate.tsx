import { useState, type FormEvent } from 'react';
import { useScore } from '../../api/scores';
import type { Score } from '../../api/types';
import { usePermission, usePermissionReason } from '../../components/permission';
import { Icon } from '../../components/icons';
import { useT } from '../../i18n';
import { useSelectedSpan, useTraceView } from './context';

/** The score of a thumb. */
const THUMB = 'helpful';
const NOTE = 'note';

/** The newest thumb that somebody gave by hand to a span, or to the trace as a whole. */
export function thumbOf(scores: Score[], span: string | null): boolean | null {
  const thumb = scores.findLast((score) => score.name === THUMB && score.source === 'annotation' && score.span_id === span);
  return thumb?.value == null ? null : thumb.value !== 0;
}

/** The field appears because somebody wants to write. */
const focusOnce = (input: HTMLInputElement | null) => input?.focus();

/** Thumbs and notes of the person who is signed in: for the selected span, or for the whole trace. */
export function Rate() {
  const t = useT();
  const { project, data } = useTraceView();
  const selected = useSelectedSpan();
  const [ofTrace, setOfTrace] = useState(true);
  const [note, setNote] = useState<string | null>(null);
  const score = useScore(project.id);
  const permission = usePermission('post /api/v1/projects/{project}/scores', project.id);
  const reason = usePermissionReason(permission);
  const span = ofTrace || !selected ? null : selected.span.span_id;
  const target = { trace: data.trace.trace_id, span };
  const thumb = thumbOf(data.scores, span);
  const disabled = !permission.isAllowed || score.isPending;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const text = note?.trim();
    if (text) score.mutate({ ...target, name: NOTE, comment: text }, { onSuccess: () => setNote(null) });
  };
  return (
    <div className="trace-rate" title={permission.isAllowed ? undefined : reason}>
      <div className="segmented" role="group" aria-label={t('trace.rateWhat')}>
        <button type="button" aria-pressed={span === null} className={span === null ? 'is-selected' : undefined} onClick={() => setOfTrace(true)}>
          {t('trace.scoreOfTrace')}
        </button>
        <button
          type="button"
          aria-pressed={span !== null}
          className={span !== null ? 'is-selected' : undefined}
          disabled={!selected}
          onClick={() => setOfTrace(false)}
        >
          {t('trace.selectedSpan')}
        </button>
      </div>
      <button
        type="button"
        className="button button-quiet"
        aria-pressed={thumb === true}
        disabled={disabled}
        onClick={() => score.mutate({ ...target, name: THUMB, value: true })}
      >
        <Icon name="thumbUp" size="small" /> {t('trace.helpful')}
      </button>
      <button
        type="button"
        className="button button-quiet"
        aria-pressed={thumb === false}
        disabled={disabled}
        onClick={() => score.mutate({ ...target, name: THUMB, value: false })}
      >
        <Icon name="thumbDown" size="small" /> {t('trace.notHelpful')}
      </button>
      {note === null ? (
        <button type="button" className="button button-quiet" disabled={disabled} onClick={() => setNote('')}>
          {t('trace.addNote')}
        </button>
      ) : (
        <form className="trace-note" onSubmit={submit}>
          <input
            ref={focusOnce}
            value={note}
            maxLength={4000}
            aria-label={t('trace.note')}
            placeholder={t('trace.note')}
            onChange={(event) => setNote(event.target.value)}
            onKeyDown={(event) => event.key === 'Escape' && setNote(null)}
          />
          <button type="submit" className="button button-primary" disabled={disabled || !note.trim()}>
            {t('trace.saveNote')}
          </button>
          <button type="button" className="button button-quiet" onClick={() => setNote(null)}>
            {t('common.cancel')}
          </button>
        </form>
      )}
      {score.error && (
        <span className="text-error" role="alert">
          {score.error.message}
        </span>
      )}
    </div>
  );
}
