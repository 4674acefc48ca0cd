import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMergeIssues, useUndoMerge, type IssueMerge } from '../../api/issue-merges';
import type { Issue } from '../../api/types';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { ConfirmPanel } from './confirm-panel';

interface MergeBarProps {
  project: number;
  selected: Issue[];
  onClear: () => void;
  /** The title of the list. */
  children: ReactNode;
}

const numbers = (issues: Issue[]) => issues.map(({ issue_id: id }) => `#${id}`).join(', ');

/** The head of the list: what can be done with the issues that are selected in it, in room that it has at all times. */
export function MergeBar({ project, selected, onClear, children }: MergeBarProps) {
  const t = useT();
  const merge = useMergeIssues(project);
  const [asking, setAsking] = useState(false);
  const isMerging = selected.length > 0;
  const start = (into: Issue, others: Issue[]) =>
    merge.mutate(
      { into: into.issue_id, issues: others.map(({ issue_id: id }) => id) },
      {
        onSuccess: () => {
          setAsking(false);
          onClear();
        },
      },
    );
  return (
    <>
      <div className={isMerging ? 'issues-list-head is-selecting' : 'issues-list-head'}>
        {children}
        {isMerging && (
          <>
            <b>{t('issues.selected', { n: selected.length })}</b>
            {selected.length < 2 && <span className="text-dim ellipsis">{t('issues.selectMore')}</span>}
            <span className="spacer" />
            {!asking && (
              <button type="button" className="button" disabled={selected.length < 2} onClick={() => setAsking(true)}>
                {t('issues.merge')}
              </button>
            )}
            <button type="button" className="button button-quiet" onClick={onClear}>
              {t('issues.clearSelection')}
            </button>
          </>
        )}
        {!isMerging && merge.data && <MergeDone key={merge.submittedAt} project={project} merge={merge.data} />}
      </div>
      {asking && selected.length > 1 && (
        <MergePanel selected={selected} busy={merge.isPending} error={merge.error} onMerge={start} onCancel={() => setAsking(false)} />
      )}
    </>
  );
}

/** Says what was merged, and undoes it. */
function MergeDone({ project, merge }: { project: number; merge: IssueMerge }) {
  const t = useT();
  const undo = useUndoMerge(project);
  return (
    <p className="issues-done" role="status">
      {undo.isSuccess ? (
        t('issues.mergeUndone')
      ) : (
        <>
          {t('issues.merged')}{' '}
          <Link className="action-link" to="/p/$project/issues/$issue" params={{ project: String(project), issue: String(merge.into) }}>
            {t('issues.openIssue', { issue: `#${merge.into}` })}
          </Link>{' '}
          <button type="button" className="action-link" disabled={undo.isPending} onClick={() => undo.mutate(merge)}>
            {t('issues.undo')}
          </button>
        </>
      )}
      {undo.error && <span className="text-error">{undo.error.message}</span>}
    </p>
  );
}

interface MergePanelProps {
  selected: Issue[];
  busy: boolean;
  error: Error | null;
  onMerge: (into: Issue, others: Issue[]) => void;
  onCancel: () => void;
}

function MergePanel({ selected, busy, error, onMerge, onCancel }: MergePanelProps) {
  const t = useT();
  const { format } = useLocale();
  const [chosen, setChosen] = useState<number | null>(null);
  // The largest issue, as long as nothing else is chosen.
  const largest = selected.reduce((best, issue) => (issue.count > best.count ? issue : best));
  const into = selected.find(({ issue_id: id }) => id === chosen) ?? largest;
  const others = selected.filter((issue) => issue !== into);
  return (
    <ConfirmPanel
      title={t('issues.mergeTitle', { n: selected.length })}
      action={t('issues.mergeConfirm', { n: selected.length })}
      busy={busy}
      error={error}
      onConfirm={() => onMerge(into, others)}
      onCancel={onCancel}
    >
      <label className="issues-merge-target">
        <span className="text-dim">{t('issues.mergeInto')}</span>
        <select className="field" value={into.issue_id} onChange={({ target }) => setChosen(Number(target.value))}>
          {selected.map((issue) => (
            <option key={issue.issue_id} value={issue.issue_id}>
              {`#${issue.issue_id} ${issue.title ?? issue.type}`.slice(0, 100)} ({format.count(issue.count)})
            </option>
          ))}
        </select>
      </label>
      <p>{t('issues.mergeWhat', { others: numbers(others), into: `#${into.issue_id}` })}</p>
      <p>{t('issues.mergeBack')}</p>
    </ConfirmPanel>
  );
}
