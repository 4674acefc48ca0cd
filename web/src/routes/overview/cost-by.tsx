import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { FACTS } from '../../api/facts';
import { breakdownQuery, facetsQuery, type Scope } from '../../api/queries';
import type { BreakdownRow, Project } from '../../api/types';
import { useT } from '../../i18n';
import { Table, type Column } from '../../components/table';
import { Tabs } from '../../components/tabs';
import { TokenCount } from '../../components/values';
import { joinFilters, fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { useCostColumn } from './breakdown-tables';
import { byCost } from './series';

/** More would not fit beside each other. */
const MAX_TAGS = 6;
/** Among so many the program's own are looked for. */
const TAG_CANDIDATES = 40;
/** Tags that SDKs set by themselves, on steps round a call: nobody asks for the cost by them. */
const isTechnical = (tag: string) => Object.hasOwn(FACTS.TechnicalTag, tag.split(/[._]/)[0] ?? '');

interface CostByProps {
  project: Project;
  q: string | undefined;
  scope: Scope;
}

/** Cost by user, repository, team and whatever else programs tag their calls with. Nothing where there is neither. */
export function CostBy({ project, q, scope }: CostByProps) {
  const tags = useQuery(facetsQuery(project.id, scope, 'tag', undefined, TAG_CANDIDATES));
  const users = useQuery(breakdownQuery(project.id, scope, 'user'));
  const [chosen, choose] = useState<string | null>(null);
  const hasUsers = users.data?.rows.some(({ key }) => key !== null) ?? false;
  const own = (tags.data?.values ?? []).filter(({ value }) => !isTechnical(value)).slice(0, MAX_TAGS);
  const all = [...(hasUsers ? [USER_FIELD] : []), ...own.map(({ value }) => `tag.${value}`)];
  const by = chosen !== null && all.includes(chosen) ? chosen : all[0];
  if (by === undefined) return null;
  return <CostByTable project={project} q={q} scope={scope} by={by} all={all} onChoose={choose} />;
}

const USER_FIELD = 'user';

/** `field` as the filter writes it: `user`, `tag.repository`. */
function CostByTable({
  project,
  q,
  scope,
  by,
  all,
  onChoose,
}: CostByProps & { by: string; all: string[]; onChoose: (by: string) => void }) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const { data, isPlaceholderData } = useQuery(breakdownQuery(project.id, scope, by.replace('tag.', 'tag:')));
  const rows = byCost((data?.rows ?? []).filter((row) => row.llm_calls > 0 || row.key !== null));
  const cost = useCostColumn(rows);
  const target = (key: string | null) => ({
    to: '/p/$project/traces' as const,
    params: { project: String(project.id) },
    search: { q: joinFilters(q, fieldTerm(by, key)), of: key === null ? 'spans' : undefined },
  });
  const label = (field: string) => (field === USER_FIELD ? t('overview.user') : field.slice('tag.'.length));
  const columns: Column<BreakdownRow>[] = [
    {
      key: 'name',
      head: label(by),
      grow: true,
      cell: (row) => (
        <Link {...target(row.key)} title={row.key ?? undefined}>
          <b className="ellipsis">{row.key ?? t('common.noValue')}</b>
        </Link>
      ),
    },
    { key: 'calls', head: t('overview.callsHead'), num: true, cell: (row) => format.count(row.llm_calls) },
    { key: 'failed', head: t('overview.failedHead'), num: true, optional: true, cell: (row) => format.count(row.failed_llm_calls) },
    { key: 'input', head: t('overview.input'), num: true, optional: true, cell: (row) => <TokenCount n={row.input_tokens} /> },
    { key: 'output', head: t('overview.outputHead'), num: true, cell: (row) => <TokenCount n={row.output_tokens} /> },
    cost,
  ];
  return (
    <div className="pane sheet">
      <div className="section-head">
        <h2>{t('overview.byUserAndTag')}</h2>
        <Tabs
          label={t('overview.byUserAndTag')}
          tabs={all.map((id) => ({ id, label: label(id) }))}
          selected={by}
          onSelect={onChoose}
          panel="whose"
        />
      </div>
      <div id="whose" role="tabpanel" aria-label={label(by)}>
        <Table
          label={`${t('overview.byUserAndTag')}: ${label(by)}`}
          columns={columns}
          rows={rows}
          rowKey={({ key }) => key ?? ''}
          onOpen={(row) => void navigate(target(row.key))}
          stale={isPlaceholderData}
        />
      </div>
    </div>
  );
}
