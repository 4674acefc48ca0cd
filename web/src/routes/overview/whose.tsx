import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { breakdownQuery, facetsQuery, type Scope } from '../../api/queries';
import type { Project } from '../../api/project-types';
import type { BreakdownRow } from '../../api/types';
import { useT } from '../../i18n';
import { Table, type Column } from '../../parts/table';
import { Tabs } from '../../parts/tabs';
import { Tokens } from '../../parts/values';
import { both, only } from '../../query';
import { useReader } from '../../reader';
import { useCostColumn } from './groups';
import { byCost } from './series';

/** More would not fit beside each other. */
const TAGS = 6;
/** Among so many the program's own are looked for. */
const LOOKED_AT = 40;
/** Tags that SDKs set by themselves, on steps round a call: nobody asks for the cost by them. */
const TECHNICAL = /^(subprocess|http|status|thread|runtime|os|browser|device|mechanism|handled|level|url|transaction)([._]|$)/;

interface WhoseProps {
  project: Project;
  q: string | undefined;
  scope: Scope;
}

/** Cost by user, repository, team and whatever else programs tag their calls with. Nothing where there is neither. */
export function Whose({ project, q, scope }: WhoseProps) {
  const tags = useQuery(facetsQuery(project.id, scope, 'tag', undefined, LOOKED_AT));
  const users = useQuery(breakdownQuery(project.id, scope, 'user'));
  const [chosen, choose] = useState<string | null>(null);
  const hasUsers = users.data?.rows.some(({ key }) => key !== null) ?? false;
  const own = (tags.data?.values ?? []).filter(({ value }) => !TECHNICAL.test(value)).slice(0, TAGS);
  const all = [...(hasUsers ? [USER] : []), ...own.map(({ value }) => `tag.${value}`)];
  const by = chosen !== null && all.includes(chosen) ? chosen : all[0];
  if (by === undefined) return null;
  return <By project={project} q={q} scope={scope} by={by} all={all} onChoose={choose} />;
}

const USER = 'user';

/** `field` as the filter writes it: `user`, `tag.repository`. */
function By({ project, q, scope, by, all, onChoose }: WhoseProps & { by: string; all: string[]; onChoose: (by: string) => void }) {
  const t = useT();
  const { format } = useReader();
  const navigate = useNavigate();
  const { data, isPlaceholderData } = useQuery(breakdownQuery(project.id, scope, by.replace('tag.', 'tag:')));
  const rows = byCost((data?.rows ?? []).filter((row) => row.llm_calls > 0 || row.key !== null));
  const cost = useCostColumn(rows);
  const target = (key: string | null) => ({
    to: '/p/$project/traces' as const,
    params: { project: String(project.id) },
    search: { q: both(q, only(by, key)), of: key === null ? 'spans' : undefined },
  });
  const label = (field: string) => (field === USER ? t('overview.user') : field.slice('tag.'.length));
  const columns: Column<BreakdownRow>[] = [
    {
      key: 'name',
      head: label(by),
      grow: true,
      cell: (row) => (
        <Link {...target(row.key)} title={row.key ?? undefined}>
          <b className="ell">{row.key ?? t('common.noValue')}</b>
        </Link>
      ),
    },
    { key: 'calls', head: t('overview.callsHead'), num: true, cell: (row) => format.count(row.llm_calls) },
    { key: 'failed', head: t('overview.failedHead'), num: true, optional: true, cell: (row) => format.count(row.failed_llm_calls) },
    { key: 'input', head: t('overview.input'), num: true, optional: true, cell: (row) => <Tokens n={row.input_tokens} /> },
    { key: 'output', head: t('overview.outputHead'), num: true, cell: (row) => <Tokens n={row.output_tokens} /> },
    cost,
  ];
  return (
    <div className="pane sheet">
      <div className="head">
        <h2>{t('overview.byUserAndTag')}</h2>
        <Tabs label={t('overview.byUserAndTag')} tabs={all.map((id) => ({ id, label: label(id) }))} selected={by} onSelect={onChoose} panel="whose" />
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
