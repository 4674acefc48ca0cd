import { Link, useNavigate } from '@tanstack/react-router';
import type { BreakdownRow, Project } from '../../api/types';
import type { ColorOf } from '../../colors';
import { useT } from '../../i18n';
import { Table, type Column } from '../../components/table';
import { Duration, EstimatedMark, NumberWithUnit, ShareBar, Swatch, TokenCount, UnknownValue } from '../../components/values';
import { joinFilters, fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { byCost, isUnpriced } from './series';

interface BreakdownProps {
  project: Project;
  q: string | undefined;
  rows: BreakdownRow[];
  stale: boolean;
}

/** What leads to the spans of one row, as a link and as a click on the row. */
function useTracesLink(project: Project, q: string | undefined, field: string) {
  const navigate = useNavigate();
  const to = '/p/$project/traces' as const;
  const target = (key: string | null) => ({
    to,
    params: { project: String(project.id) },
    // The calls of a model; for all else the traces, of which a call is a part.
    search: { q: joinFilters(q, fieldTerm(field, key)), of: field === 'model' || key === null ? 'spans' : undefined },
  });
  return { target, open: (row: BreakdownRow) => void navigate(target(row.key)) };
}

export function useCostColumn(rows: BreakdownRow[], colorOf?: ColorOf): Column<BreakdownRow> {
  const t = useT();
  const { format } = useLocale();
  const total = rows.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
  return {
    key: 'cost',
    num: true,
    head: (
      <span>
        {t('overview.cost')} ↓<span className="share-bar overview-ghosted" />
      </span>
    ),
    cell: (row) => (
      <>
        {/* No call at all cost nothing; calls without a price cost we do not know what. */}
        <b>
          {row.estimated_calls > 0 && <EstimatedMark calls={row.estimated_calls} />}
          {row.cost === null ? (
            isUnpriced(row) || row.llm_calls > 0 ? (
              <UnknownValue />
            ) : (
              '–'
            )
          ) : (
            <span title={format.moneyExact(row.cost)}>{format.money(row.cost)}</span>
          )}
        </b>
        <ShareBar of={total > 0 ? (row.cost ?? 0) / total : 0} color={colorOf?.(row.key)} />
      </>
    ),
    foot: (
      <>
        <span title={format.moneyExact(total)}>{format.money(total)}</span>
        <span className="share-bar overview-ghosted" />
      </>
    ),
  };
}

export function PipelineTable({ project, q, rows, stale }: BreakdownProps) {
  const t = useT();
  const { format } = useLocale();
  const { target, open } = useTracesLink(project, q, 'pipeline');
  const named = byCost(rows.filter(({ key }) => key !== null));
  const cost = useCostColumn(named);
  const columns: Column<BreakdownRow>[] = [
    {
      key: 'name',
      head: t('overview.pipeline'),
      grow: true,
      cell: (row) => (
        <Link {...target(row.key)} title={row.key ?? undefined}>
          <b>{row.key}</b>
        </Link>
      ),
    },
    { key: 'runs', head: t('overview.runsHead'), num: true, cell: ({ runs }) => format.count(runs ?? 0) },
    {
      key: 'rate',
      head: t('overview.perMinute'),
      num: true,
      optional: true,
      cell: ({ runs_per_minute: rate }) =>
        rate === undefined || rate === null || rate === 0 ? '–' : rate < 0.01 ? `< ${format.fixed(0.01, 2)}` : format.fixed(rate, 2),
    },
    {
      key: 'failed',
      head: t('overview.failedHead'),
      num: true,
      cell: ({ runs = 0, failed_runs: failed = 0 }) => (
        <>
          <span className={failed > 0 ? undefined : 'text-dim'}>{format.count(failed)}</span>{' '}
          {runs > 0 && <span className="unit">{format.fixed((failed / runs) * 100, 1)} %</span>}
        </>
      ),
    },
    {
      key: 'mean',
      head: t('overview.mean'),
      num: true,
      optional: true,
      cell: ({ runs = 0, run_duration_ms: run }) => (runs === 0 ? '–' : <Duration ms={run?.mean ?? null} />),
    },
    {
      key: 'p95',
      head: 'p95',
      num: true,
      cell: ({ runs = 0, run_duration_ms: run }) => (runs === 0 ? '–' : <Duration ms={run?.p95 ?? null} />),
    },
    {
      key: 'tokens',
      head: t('overview.tokens'),
      num: true,
      optional: true,
      cell: (row) => <TokenCount n={row.input_tokens + row.output_tokens} />,
    },
    cost,
  ];
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.pipelines')}</h2>
        {named.length > 0 && <span className="section-note">{t('overview.byCost', { n: named.length })}</span>}
      </div>
      {named.length === 0 ? (
        <p className="empty-note">{t('overview.noPipelines')}</p>
      ) : (
        <Table
          label={t('overview.pipelines')}
          columns={columns}
          rows={named}
          rowKey={({ key }) => key ?? ''}
          onOpen={open}
          stale={stale}
          keys
        />
      )}
    </div>
  );
}

export function ModelTable({ project, q, rows, colorOf, stale }: BreakdownProps & { colorOf: ColorOf }) {
  const t = useT();
  const { format } = useLocale();
  const { target, open } = useTracesLink(project, q, 'model');
  const all = byCost(rows);
  const cost = useCostColumn(all, colorOf);
  const priced = all.filter((row) => !isUnpriced(row));
  const unpriced = all.reduce((sum, row) => sum + row.unpriced_calls, 0);
  const sum = (get: (row: BreakdownRow) => number) => priced.reduce((value, row) => value + get(row), 0);
  const perCall = (row: BreakdownRow) => {
    const counted = row.llm_calls - row.unpriced_calls - row.failed_llm_calls;
    return row.cost === null || counted <= 0 ? null : row.cost / counted;
  };
  const columns: Column<BreakdownRow>[] = [
    {
      key: 'name',
      head: t('overview.model'),
      grow: true,
      cell: (row) => (
        <Link {...target(row.key)} className="name-cell" title={[row.provider, row.key].filter(Boolean).join(': ')}>
          <Swatch color={colorOf(row.key)} hatched={isUnpriced(row)} />
          <b className="ellipsis">{row.key ?? t('common.noValue')}</b>
        </Link>
      ),
      foot: t('overview.allPriced'),
    },
    {
      key: 'calls',
      head: t('overview.callsHead'),
      num: true,
      cell: (row) => format.count(row.llm_calls),
      foot: format.count(sum(({ llm_calls: calls }) => calls)),
    },
    {
      key: 'input',
      head: t('overview.input'),
      num: true,
      cell: (row) => <TokenCount n={row.input_tokens} />,
      foot: <NumberWithUnit v={format.tokens(sum(({ input_tokens: n }) => n))} />,
    },
    {
      key: 'cached',
      head: t('overview.cachedHead'),
      num: true,
      optional: true,
      cell: (row) =>
        row.input_tokens > 0 ? (
          <NumberWithUnit v={[{ n: format.fixed((row.cache_read_tokens / row.input_tokens) * 100, 0), u: '%' }]} />
        ) : (
          '–'
        ),
    },
    {
      key: 'output',
      head: t('overview.outputHead'),
      num: true,
      cell: (row) => <TokenCount n={row.output_tokens} />,
      foot: <NumberWithUnit v={format.tokens(sum(({ output_tokens: n }) => n))} />,
    },
    {
      key: 'each',
      head: t('overview.perCall'),
      num: true,
      optional: true,
      cell: (row) => {
        const each = perCall(row);
        return each === null ? <UnknownValue /> : <span title={format.moneyExact(each)}>{format.money(each)}</span>;
      },
    },
    cost,
  ];
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.models')}</h2>
        <span className="section-note">
          {unpriced > 0
            ? t('overview.modelsUnpriced', { n: all.length, calls: t('common.calls', { n: format.count(unpriced) }) })
            : t('overview.modelsPriced', { n: all.length })}
        </span>
      </div>
      <Table
        label={t('overview.models')}
        columns={columns}
        rows={all}
        rowKey={({ key }) => key ?? ''}
        onOpen={open}
        foot={all.length > 1}
        stale={stale}
      />
    </div>
  );
}
