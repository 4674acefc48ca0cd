import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { issuesPagesQuery, type Scope } from '../../api/queries';
import type { Issue } from '../../api/types';
import { useT } from '../../i18n';
import { ApiError } from '../../api/client';
import { HiddenMessagesNote } from '../../components/hidden-messages';
import { FilterBar } from '../../components/filter-bar';
import { ISSUE_VOCABULARY } from '../../components/filter-vocabulary';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp, UserText, UnknownValue } from '../../components/values';
import { usePermission } from '../../components/permission';
import { useProject } from '../../project';
import { useRange, useLocale } from '../../locale';
import { rangeName } from '../../shell/range-name';
import { usePageTitle } from '../../shell/page-title';
import { EventBars } from './event-bars';
import { MergeBar } from './merge-bar';
import './issues.css';

const DEFAULT_SORT = '-last_seen';

export default function Issues() {
  const t = useT();
  usePageTitle(t('issues.title'));
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { format } = useLocale();
  const { q, sort = DEFAULT_SORT } = useSearch({ from: '/app/p/$project/issues' });
  const scope = useMemo<Scope>(() => ({ ...range.span, q }), [range, q]);
  const issues = useInfiniteQuery(issuesPagesQuery(project.id, scope, sort));
  const unread = issues.error instanceof ApiError && issues.error.status === 400;
  const rows = unread ? [] : (issues.data?.pages.flatMap((page) => page.issues) ?? []);
  const setQ = (next: string) => void navigate({ to: '.', search: (was) => ({ ...was, q: next || undefined }) });
  const rangeText = rangeName(range, t, format);

  // Issues that are no longer in the list are no longer selected.
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const selected = rows.filter(({ issue_id: id }) => chosen.has(id));
  const toggle = (id: number) => setChosen((was) => (was.has(id) ? new Set([...was].filter((one) => one !== id)) : new Set([...was, id])));

  const target = ({ issue_id: issue }: Issue) => ({
    to: '/p/$project/issues/$issue' as const,
    params: { project: String(project.id), issue: String(issue) },
  });
  // Selecting is for merging only.
  const canMerge = usePermission('post /api/v1/projects/{project}/issues/{issue}/merge', project.id).isAllowed;
  const selectColumn: Column<Issue> = {
    key: 'select',
    head: <span className="visually-hidden">{t('issues.select')}</span>,
    cell: (issue) => (
      <label className="issues-select">
        <input
          type="checkbox"
          checked={chosen.has(issue.issue_id)}
          onChange={() => toggle(issue.issue_id)}
          aria-label={t('issues.selectOne', { issue: `#${issue.issue_id} ${issue.title ?? issue.type}` })}
        />
      </label>
    ),
  };
  const columns: Column<Issue>[] = [
    ...(canMerge ? [selectColumn] : []),
    {
      key: 'issue',
      head: t('issues.issue'),
      grow: true,
      cell: (issue) => (
        <Link {...target(issue)} className="issues-table-name">
          <span className="name-with-note">
            <b title={issue.title ?? issue.type}>{issue.title ?? issue.type}</b>
            <UserText
              className="ellipsis"
              text={issue.title === null ? issue.value : [issue.type, issue.value].filter(Boolean).join(': ')}
            />
            {issue.handled === false && <Chip tone="bad">{t('issues.unhandled')}</Chip>}
          </span>
          <span className="text-dim ellipsis" title={issue.culprit ?? undefined}>
            #{issue.issue_id} · {issue.culprit ?? issue.level}
          </span>
        </Link>
      ),
    },
    {
      key: 'course',
      head: t('issues.eventsOverTime'),
      optional: true,
      cell: ({ points }) => <EventBars values={points.map(([, n]) => n)} />,
    },
    { key: 'count', head: <span title={t('issues.countWhy', { range: rangeText })}>{t('issues.count')}</span>, sort: 'count', num: true, cell: ({ count }) => <b>{format.count(count)}</b> },
    { key: 'traces', head: t('issues.traces'), sort: 'traces', num: true, optional: true, cell: ({ traces }) => format.count(traces) },
    { key: 'users', head: t('issues.users'), sort: 'users', num: true, optional: true, cell: ({ users }) => format.count(users) },
    {
      key: 'cost',
      head: <span title={t('issues.costWhy')}>{t('issues.costOfTraces')}</span>,
      sort: 'cost',
      num: true,
      optional: true,
      cell: ({ cost, traces }) =>
        traces === 0 ? '–' : cost === null ? <UnknownValue /> : <span title={format.moneyExact(cost)}>{format.money(cost)}</span>,
    },
    {
      key: 'first',
      head: <span title={t('issues.seenWhy')}>{t('issues.first')}</span>,
      sort: 'first_seen',
      num: true,
      optional: true,
      cell: (issue) => (
        <span className="text-dim">
          <Timestamp at={issue.first_seen} />
        </span>
      ),
    },
    {
      key: 'last',
      head: <span title={t('issues.seenWhy')}>{t('issues.last')}</span>,
      sort: 'last_seen',
      num: true,
      cell: (issue) => <Timestamp at={issue.last_seen} />,
    },
  ];

  return (
    <>
      <h1 className="visually-hidden">{t('issues.title')}</h1>
      <FilterBar q={q ?? ''} onChange={setQ} error={issues.error} vocabulary={ISSUE_VOCABULARY} />
      <div className="sheet pane issues-page">
        {issues.isPending && <Skeleton rows={6} height={44} />}
        {issues.error && !issues.data && !unread && <ErrorMessage error={issues.error} onRetry={() => void issues.refetch()} />}
        {unread && <EmptyState title={t('traces.filterInvalid')}>{t('traces.filterInvalidWhy')}</EmptyState>}
        {issues.data && !unread && rows.length === 0 && !q && <EmptyState title={t('issues.none')}>{t('issues.noneWhy')}</EmptyState>}
        {issues.data && !unread && rows.length === 0 && q && (
          <EmptyState
            title={t('issues.noneFiltered')}
            action={
              <button type="button" className="button button-primary" onClick={() => setQ('')}>
                {t('traces.clear')}
              </button>
            }
          >
            <code>{q}</code> {t('issues.noneFilteredWhy')}
          </EmptyState>
        )}
        {rows.length > 0 && (
          <>
            <MergeBar project={project.id} selected={selected} onClear={() => setChosen(new Set())}>
              <h2>{t('issues.issueCount', { n: rows.length })}</h2>
            </MergeBar>
            {project.messages_hidden && <HiddenMessagesNote />}
            <Table
              label={t('issues.title')}
              columns={columns}
              rows={rows}
              rowKey={({ issue_id: issue }) => String(issue)}
              onOpen={(issue) => void navigate(target(issue))}
              sort={sort}
              onSort={(next) => void navigate({ to: '.', search: (was) => ({ ...was, sort: next === DEFAULT_SORT ? undefined : next }) })}
              stale={issues.isPlaceholderData}
              keys
            />
          </>
        )}
        {issues.hasNextPage && !unread && (
          <button
            type="button"
            className="button section-link"
            disabled={issues.isFetchingNextPage}
            onClick={() => void issues.fetchNextPage()}
          >
            {t('issues.more')}
          </button>
        )}
      </div>
    </>
  );
}
