import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { findingPagesQuery } from '../../api/findings';
import type { Scope } from '../../api/queries';
import type { FindingKind, ListedFinding } from '../../api/types';
import { Explanation, SeverityChip } from '../../components/findings';
import { findingName, wastesCost } from '../../components/findings/labels';
import { Icon } from '../../components/icons';
import { Permitted } from '../../components/permission';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Timestamp, UserText } from '../../components/values';
import { fieldTerm, joinFilters } from '../../filter-query';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useProject } from '../../project';
import { Cost } from './finding-kinds';
import { placeOf } from './finding-place';

interface FindingListProps {
  kind: FindingKind;
  scope: Scope;
  onClose: () => void;
}

/** The findings of one kind, the newest first, each with its reason and its place. */
export function FindingList({ kind, scope, onClose }: FindingListProps) {
  const t = useT();
  const project = useProject();
  const head = useRef<HTMLHeadingElement>(null);
  const pages = useInfiniteQuery(findingPagesQuery(project.id, scope, kind));
  const rows = pages.data?.pages.flatMap(({ findings }) => findings) ?? [];
  const name = findingName(t, kind);
  useKeyboardShortcuts({ Escape: onClose });
  // The table above may fill the screen.
  useEffect(() => {
    head.current?.focus({ preventScroll: true });
    head.current?.scrollIntoView({ block: 'center' });
  }, [kind]);
  return (
    <section className="pane sheet quality-findings" aria-label={t('findings.of', { name })}>
      <div className="section-head">
        <h2 ref={head} tabIndex={-1}>
          {name}
        </h2>
        <span className="section-note">{t(`finding.about.${kind}`)}</span>
        <span className="spacer" />
        <Link
          className="button"
          to="/p/$project/traces"
          params={{ project: String(project.id) }}
          search={(was) => ({ ...was, kind: undefined, sort: undefined, q: joinFilters(scope.q, fieldTerm('finding', kind)) })}
        >
          {t('findings.showTraces')}
        </Link>
        <Permitted operation="post /api/v1/projects/{project}/alerts/rules" project={project.id}>
          <Link
            className="button"
            to="/p/$project/alerts/rules/$rule"
            params={{ project: String(project.id), rule: 'new' }}
            search={(was) => ({ ...was, kind: undefined, measure: 'findings', filter: joinFilters(scope.q, fieldTerm('finding', kind)), name })}
          >
            {t('findings.createAlert')}
          </Link>
        </Permitted>
        <button type="button" className="icon-button" onClick={onClose} title={t('findings.close')} aria-label={t('findings.close')}>
          <Icon name="close" />
        </button>
      </div>
      {pages.isPending && <Skeleton rows={5} height={44} />}
      {pages.error && !pages.data && <ErrorMessage error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.data && rows.length === 0 && <p className="empty-note">{t('findings.noneOfKind')}</p>}
      {rows.length > 0 && <FindingTable rows={rows} name={name} hasCost={wastesCost(kind)} />}
      {pages.hasNextPage && (
        <button type="button" className="button" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
          {t('findings.more')}
        </button>
      )}
    </section>
  );
}

function FindingTable({ rows, name, hasCost }: { rows: ListedFinding[]; name: string; hasCost: boolean }) {
  const t = useT();
  const navigate = useNavigate();
  const { id } = useProject();
  const cost: Column<ListedFinding> = {
    key: 'wasted',
    head: t('findings.wasted'),
    num: true,
    cell: ({ wasted_cost: usd }) => <Cost usd={usd} />,
  };
  const columns: Column<ListedFinding>[] = [
    {
      key: 'time',
      head: t('findings.time'),
      cell: ({ timestamp }) => (
        <span className="text-dim">
          <Timestamp at={timestamp} />
        </span>
      ),
    },
    { key: 'severity', head: t('findings.severity'), optional: true, cell: ({ severity }) => <SeverityChip severity={severity} /> },
    {
      key: 'finding',
      head: t('findings.finding'),
      grow: true,
      cell: (finding) => (
        <Link {...placeOf(id, finding)} className="quality-finding">
          <Explanation of={finding} className="line-clamp" />
          <span className="text-dim ellipsis">
            {finding.trace_name === null ? t('findings.unnamed') : <UserText text={finding.trace_name} />}
          </span>
        </Link>
      ),
    },
    ...(hasCost ? [cost] : []),
  ];
  return (
    <Table
      label={t('findings.of', { name })}
      columns={columns}
      rows={rows}
      rowKey={(finding) => `${finding.trace_id} ${finding.kind} ${finding.span_ids.join(' ')} ${finding.explanation}`}
      onOpen={(finding) => void navigate(placeOf(id, finding))}
      keys
    />
  );
}
