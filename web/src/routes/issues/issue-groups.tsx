import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { mergedNumbers, useSplitIssue } from '../../api/issue-merges';
import { issueGroupsQuery } from '../../api/queries';
import type { IssueGroup } from '../../api/types';
import { ErrorMessage } from '../../components/states';
import { Timestamp, UserText } from '../../components/values';
import { Permitted } from '../../components/permission';
import { useT } from '../../i18n';
import { ConfirmPanel } from './confirm-panel';

const GROUPS_ID = 'issue-groups';

/** Names the issues that an issue was merged from, and leads to where they are split off. */
export function MergedFrom({ project, issue }: { project: number; issue: number }) {
  const t = useT();
  const { data } = useQuery(issueGroupsQuery(project, issue));
  const merged = mergedNumbers(data?.groups ?? []);
  if (merged.length === 0) return null;
  const jump = () => {
    const section = document.getElementById(GROUPS_ID);
    section?.scrollIntoView({ block: 'center' });
    section?.focus({ preventScroll: true });
  };
  return (
    <p className="text-small">
      <span className="text-dim">{t('issues.mergedFromList', { issues: merged.map((number) => `#${number}`).join(', ') })}</span>{' '}
      <button type="button" className="action-link" onClick={jump}>
        {t('issues.splitOffList')}
      </button>
    </p>
  );
}

/** The groups of events that an issue was merged from, each with the way out. An issue of one group shows none of this. */
export function IssueGroups({ project, issue }: { project: number; issue: number }) {
  const t = useT();
  const { data, error, refetch } = useQuery(issueGroupsQuery(project, issue));
  const [done, setDone] = useState<number[]>([]);
  const groups = data?.groups ?? [];
  if (error && !data) {
    return (
      <section className="pane">
        <h2>{t('issues.groups')}</h2>
        <ErrorMessage error={error} onRetry={() => void refetch()} />
      </section>
    );
  }
  const splitOff = done.length > 0 && (
    <p className="issues-done" role="status">
      {t('issues.splitDone')}{' '}
      {done.map((number) => (
        <Link key={number} className="action-link" to="/p/$project/issues/$issue" params={{ project: String(project), issue: String(number) }}>
          {t('issues.openIssue', { issue: `#${number}` })}
        </Link>
      ))}
    </p>
  );
  if (groups.length < 2) return splitOff && <div className="pane">{splitOff}</div>;
  return (
    <section className="pane issues-groups" id={GROUPS_ID} tabIndex={-1} aria-label={t('issues.groups')}>
      <div className="section-head">
        <h2>{t('issues.groups')}</h2>
        <span className="section-note">{groups.length}</span>
      </div>
      <p className="text-dim text-small">{t('issues.groupsWhy')}</p>
      {splitOff}
      <ul>
        {groups.map((group) => (
          <GroupRow
            key={group.group_id}
            project={project}
            issue={issue}
            group={group}
            onDone={(numbers) => setDone([...done, ...numbers])}
          />
        ))}
      </ul>
    </section>
  );
}

interface GroupRowProps {
  project: number;
  issue: number;
  group: IssueGroup;
  /** Gets the numbers of the issues that the group became. */
  onDone: (issues: number[]) => void;
}

function GroupRow({ project, issue, group, onDone }: GroupRowProps) {
  const t = useT();
  const split = useSplitIssue(project, issue, ({ issue_ids: numbers }) => onDone(numbers));
  const [asking, setAsking] = useState(false);
  const { group_id: id, type, value, count, last_seen: last, issue_id: number, can_split: canSplit } = group;
  return (
    <li>
      <div className="issues-group-name ellipsis">
        <b>{type}</b> <UserText text={value} />
      </div>
      <div className="issues-group-facts text-dim">
        {number === null ? <span>{t('issues.ownGroup')}</span> : <span>{t('issues.mergedFrom', { issue: `#${number}` })}</span>}
        <span>{t('issues.events', { n: count })}</span>
        <Timestamp at={last} />
        <span className="spacer" />
        {canSplit && !asking && (
          <Permitted operation="post /api/v1/projects/{project}/issues/{issue}/split" project={project}>
            <button type="button" className="action-link" onClick={() => setAsking(true)}>
              {t('issues.split')}
            </button>
          </Permitted>
        )}
      </div>
      {asking && (
        <ConfirmPanel
          title={t('issues.splitTitle')}
          action={t('issues.split')}
          busy={split.isPending}
          error={split.error}
          onConfirm={() => split.mutate([id])}
          onCancel={() => setAsking(false)}
        >
          <p>{number === null ? t('issues.splitWhatNew', { n: count }) : t('issues.splitWhat', { n: count, issue: `#${number}` })}</p>
          <p>{t('issues.splitBack')}</p>
        </ConfirmPanel>
      )}
    </li>
  );
}
