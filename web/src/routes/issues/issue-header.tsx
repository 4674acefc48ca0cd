import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { issueTagsQuery, type Scope } from '../../api/queries';
import type { Issue } from '../../api/types';
import { Icon } from '../../components/icons';
import { Age, Chip, Timestamp, UnknownValue, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { rangeName } from '../../shell/range-name';
import { EventBars } from './event-bars';
import { MergedFrom } from './issue-groups';

function Fact({ label, title, wide = false, children }: { label: string; title?: string; wide?: boolean; children: ReactNode }) {
  return (
    <div title={title} className={wide ? 'issues-fact-wide' : undefined}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** `Last 24 h` within a label. */
const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** What the issue is, how often it happened, whom it hits, and since when. */
export function IssueHeader({ project, issue, scope }: { project: number; issue: Issue; scope: Scope }) {
  const t = useT();
  const { format } = useLocale();
  const range = rangeName(useRange(), t, format);
  const { data } = useQuery(issueTagsQuery(project, issue.issue_id, scope));
  const releases = data?.tags.find(({ key }) => key === 'release');
  return (
    <header className="sheet issues-head">
      <div className="issues-name">
        <h1 className="line-clamp">{issue.title ?? issue.type}</h1>
        <span className="text-dim">#{issue.issue_id}</span>
        <Chip tone={issue.handled === false ? 'bad' : undefined}>
          {issue.handled === false && <Icon name="issues" size="tiny" />}
          {issue.handled === false ? t('issues.unhandled') : issue.handled ? t('issues.handled') : issue.level}
        </Chip>
        {issue.handled !== null && <Chip tone={issue.level === 'fatal' ? 'bad' : 'outline'}>{issue.level}</Chip>}
      </div>
      {(issue.title !== null || issue.value) && (
        <div className="issues-value line-clamp">
          {issue.title !== null && <b>{issue.type} </b>}
          <UserText text={issue.value} />
        </div>
      )}
      {issue.culprit && <p className="text-dim monospace">{issue.culprit}</p>}
      <MergedFrom project={project} issue={issue.issue_id} />
      <dl className="issues-facts">
        <Fact label={t('issues.countIn', { range: lowerFirst(range) })} title={t('issues.countWhy', { range })}>{format.count(issue.count)}</Fact>
        <Fact label={t('issues.users')}>{format.count(issue.users)}</Fact>
        {releases && (
          <Fact label={t('issues.releases')} title={releases.values.map(({ value }) => value).join('\n')}>
            {format.count(releases.distinct)}
          </Fact>
        )}
        <Fact label={t('issues.traces')}>{format.count(issue.traces)}</Fact>
        <Fact label={t('issues.costOfTraces')} title={t('issues.costWhy')}>
          {issue.traces === 0 ? '–' : issue.cost === null ? <UnknownValue /> : <span title={format.moneyExact(issue.cost)}>{format.money(issue.cost)}</span>}
        </Fact>
        <Fact label={t('issues.firstAllTime')} title={t('issues.seenWhy')}>
          <Timestamp at={issue.first_seen} />
        </Fact>
        <Fact label={t('issues.last')} title={t('issues.seenWhy')}>
          <Timestamp at={issue.last_seen} />{' '}
          <span className="issues-age">
            <Age at={issue.last_seen} />
          </span>
        </Fact>
        <Fact label={t('issues.eventsOverTime')} wide>
          <EventBars values={issue.points.map(([, n]) => n)} />
        </Fact>
      </dl>
    </header>
  );
}
