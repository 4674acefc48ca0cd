import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useMergeIssues } from '../../api/queries';
import type { Issue } from '../../api/types';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { ConfirmPanel } from './confirm-panel';

interface MergeBarProps {
  project: number;
  selected: Issue[];
  onClear: () => void;
}

const numbers = (issues: Issue[]) => issues.map(({ issue_id: id }) => `#${id}`).join(', ');

/** What can be done with the issues that are selected in the list. */
export function MergeBar({ project, selected, onClear }: MergeBarProps) {
  const t = useT();
  const { format } = useLocale();
  const merge = useMergeIssues(project);
  const [asking, setAsking] = useState(false);
  const [chosen, setChosen] = useState<number | null>(null);
  const target = merge.data?.issue_id;
  if (selected.length === 0) {
    if (target === undefined) return null;
    return (
      <p className="issues-done" role="status">
        {t('issues.merged')}{' '}
        <Link className="action-link" to="/p/$project/issues/$issue" params={{ project: String(project), issue: String(target) }}>
          {t('issues.openIssue', { issue: `#${target}` })}
        </Link>
      </p>
    );
  }
  // The largest issue, as long as nothing else is chosen.
  const largest = selected.reduce((best, issue) => (issue.count > best.count ? issue : best));
  const into = selected.find(({ issue_id: id }) => id === chosen) ?? largest;
  const others = selected.filter((issue) => issue !== into);
  const run = () =>
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
    <div className="issues-selection">
      <p>
        <b>{t('issues.selected', { n: selected.length })}</b>{' '}
        {selected.length < 2 && <span className="text-dim">{t('issues.selectMore')}</span>}
        <span className="spacer" />
        {!asking && (
          <button type="button" className="button" disabled={selected.length < 2} onClick={() => setAsking(true)}>
            {t('issues.merge')}
          </button>
        )}
        <button type="button" className="button button-quiet" onClick={onClear}>
          {t('issues.clearSelection')}
        </button>
      </p>
      {asking && others.length > 0 && (
        <ConfirmPanel
          title={t('issues.mergeTitle', { n: selected.length })}
          action={t('issues.mergeConfirm', { n: selected.length })}
          busy={merge.isPending}
          error={merge.error}
          onConfirm={run}
          onCancel={() => setAsking(false)}
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
      )}
    </div>
  );
}
