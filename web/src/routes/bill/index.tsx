import { useQuery } from '@tanstack/react-query';
import { useId, type ReactNode } from 'react';
import { billQuery, useImportBill } from '../../api/queries';
import type { Bill, BillCause, BillRow, BillSum, Project } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { ShareBar, UnknownValue } from '../../components/values';
import { PermittedOrReason } from '../../components/permission';
import { useProject } from '../../project';
import { useRange, useLocale } from '../../locale';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import './bill.css';

/** What providers billed beside what was observed: the gap, and what explains it. */
export default function BillPage() {
  const t = useT();
  usePageTitle(t('bill.title'));
  const project = useProject();
  const range = useRange();
  const { data, error, refetch } = useQuery(billQuery(project.id, range.span));
  return (
    <div className="bill-page">
      <TopBarSlot side="left">
        <h1 className="picker">
          <b>{t('bill.title')}</b>
        </h1>
      </TopBarSlot>
      <BillImportForm project={project} />
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton />}
      {data && data.rows.length === 0 && (
        <EmptyState title={t('bill.none')}>
          <InlineCodeText text={t('bill.noneWhy')} />
        </EmptyState>
      )}
      {data && data.rows.length > 0 && <BillReport bill={data} />}
      {data && data.imports.length > 0 && <ImportTable bill={data} />}
    </div>
  );
}

function BillImportForm({ project }: { project: Project }) {
  const t = useT();
  const id = useId();
  const { format } = useLocale();
  const run = useImportBill(project.id);
  const done = run.data;
  return (
    <section className="sheet pane bill-import">
      <p className="text-dim text-small">{t('bill.why')}</p>
      <PermittedOrReason operation="post /api/v1/projects/{project}/bill" project={project.id}>
        <p>
          <label className="button button-primary" htmlFor={id}>
            {run.isPending ? t('bill.importing') : t('bill.import')}
          </label>
          <input
            id={id}
            className="visually-hidden"
            type="file"
            accept=".csv,.tsv,.json,.txt,text/csv,application/json"
            disabled={run.isPending}
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file) run.mutate(file);
              event.target.value = '';
            }}
          />
        </p>
        <p className="text-dim text-small">{t('bill.importWhy')}</p>
      </PermittedOrReason>
      {run.error && <ErrorMessage error={run.error} title={t('common.notDone')} />}
      {done && (
        <div role="status" className="text-small">
          <p>
            <b>
              {t('bill.imported', {
                format: done.format,
                rows: format.count(done.rows),
                lines: format.count(done.rows - done.unread),
                from: done.from ?? '–',
                to: done.to ?? '–',
              })}
            </b>
          </p>
          {done.unknown_columns.length > 0 && <p>{t('bill.unknown', { columns: done.unknown_columns.join(', ') })}</p>}
          {done.unread > 0 && (
            <details>
              <summary>{t('bill.unread', { n: format.count(done.unread) })}</summary>
              <ul>
                {done.unread_rows.map(({ line, why }) => (
                  <li key={line}>{t('bill.unreadLine', { line, why })}</li>
                ))}
              </ul>
            </details>
          )}
        </div>
      )}
    </section>
  );
}

function BillReport({ bill }: { bill: Bill }) {
  const t = useT();
  const { total } = bill;
  return (
    <>
      <section className="columns sheet bill-figures" aria-label={t('bill.title')}>
        <BillFigure label={t('bill.billed')}>
          <DollarAmount usd={total.billed} />
        </BillFigure>
        <BillFigure label={t('bill.observed')}>
          <DollarAmount usd={total.observed} />
        </BillFigure>
        <BillFigure label={t('bill.gap')}>
          <DollarAmount usd={total.gap} />
        </BillFigure>
        <BillFigure label={t('bill.coverage')}>
          <CoverageShare sum={total} />
        </BillFigure>
      </section>
      <section className="sheet pane">
        <div className="section-head">
          <h2>{t('bill.causes')}</h2>
        </div>
        {bill.causes.length === 0 ? (
          <p className="text-dim text-small">{t('bill.noCauses')}</p>
        ) : (
          <ul className="bill-causes">
            {bill.causes.map((cause, at) => (
              <li key={`${cause.cause} ${cause.model} ${at}`}>
                <Icon name="issues" size="small" />
                <span>
                  <CauseText cause={cause} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
      <SumTable title={t('bill.byModel')} rows={bill.models} name={t('bill.model')} cell={modelText} total={total} />
      <SumTable title={t('bill.byDay')} rows={bill.days} name={t('bill.day')} cell={({ day }) => day} total={total} />
      <section className="sheet pane">
        <details>
          <summary>{t('bill.rows')}</summary>
          <SumTable rows={bill.rows} name={t('bill.day')} cell={(row) => row.day} second={modelText} />
        </details>
      </section>
    </>
  );
}

const modelText = ({ model }: BillRow): ReactNode => (model === '' ? <NoModelText /> : model);

function NoModelText() {
  return <span className="text-dim">{useT()('bill.noModel')}</span>;
}

function BillFigure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="figure">
      <div className="figure-label">{label}</div>
      <div className="figure-value">{children}</div>
    </div>
  );
}

function DollarAmount({ usd }: { usd: number | null }) {
  const { format } = useLocale();
  if (usd === null) return <UnknownValue />;
  return <span title={format.moneyExact(usd)}>{format.money(usd)}</span>;
}

function CoverageShare({ sum }: { sum: BillSum }) {
  const { format } = useLocale();
  if (sum.coverage === null) return <span className="text-dim">–</span>;
  return (
    <>
      {plain(format.percent(sum.coverage))}
      <ShareBar of={sum.coverage} />
    </>
  );
}

interface SumTableProps {
  title?: string;
  rows: BillRow[];
  name: string;
  cell: (row: BillRow) => ReactNode;
  second?: (row: BillRow) => ReactNode;
  total?: BillSum;
}

function SumTable({ title, rows, name, cell, second, total }: SumTableProps) {
  const t = useT();
  const { format } = useLocale();
  const columns: Column<BillRow>[] = [
    { key: 'name', head: name, grow: true, cell: (row) => <b>{cell(row)}</b>, foot: '' },
    ...(second ? [{ key: 'second', head: t('bill.model'), grow: true, cell: second } satisfies Column<BillRow>] : []),
    {
      key: 'calls',
      head: t('bill.calls'),
      num: true,
      optional: true,
      cell: (row) => format.count(row.calls),
      foot: total && format.count(total.calls),
    },
    {
      key: 'billed',
      head: t('bill.billed'),
      num: true,
      cell: (row) => <DollarAmount usd={row.billed} />,
      foot: total && <DollarAmount usd={total.billed} />,
    },
    {
      key: 'observed',
      head: t('bill.observed'),
      num: true,
      cell: (row) => (row.observed === null && row.calls === 0 ? <span className="text-dim">–</span> : <DollarAmount usd={row.observed} />),
      foot: total && <DollarAmount usd={total.observed} />,
    },
    {
      key: 'gap',
      head: t('bill.gap'),
      num: true,
      cell: (row) => (row.gap === null ? <span className="text-dim">–</span> : <DollarAmount usd={row.gap} />),
      foot: total && <DollarAmount usd={total.gap} />,
    },
    {
      key: 'coverage',
      head: t('bill.coverage'),
      num: true,
      cell: (row) => <CoverageShare sum={row} />,
      foot: total && <CoverageShare sum={total} />,
    },
  ];
  const table = (
    <Table
      label={title ?? t('bill.rows')}
      columns={columns}
      rows={rows}
      rowKey={(row) => `${row.day} ${row.model}`}
      foot={total !== undefined}
    />
  );
  if (!title) return table;
  return (
    <section className="sheet pane">
      <div className="section-head">
        <h2>{title}</h2>
      </div>
      {table}
    </section>
  );
}

function CauseText({ cause }: { cause: BillCause }) {
  const t = useT();
  const { format } = useLocale();
  const model = cause.model === '' ? t(cause.cause === 'not_on_bill' ? 'bill.otherProvider' : 'bill.noModel') : (cause.model ?? '');
  const vars = {
    model,
    n: format.count(cause.count ?? 0),
    amount: format.money(cause.amount ?? 0),
    rate: plain(format.percent(cause.rate ?? 0)),
  };
  if (cause.cause === 'sampled') {
    return [cause.rate !== null && t('bill.cause.sampled', vars), cause.count !== null && t('bill.cause.sampledOut', vars)]
      .filter(Boolean)
      .join(' ');
  }
  return t(`bill.cause.${cause.cause}`, vars);
}

function ImportTable({ bill }: { bill: Bill }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <section className="sheet pane">
      <div className="section-head">
        <h2>{t('bill.imports')}</h2>
      </div>
      <ul className="text-small bill-imports">
        {bill.imports.map((file) => (
          <li key={`${file.at} ${file.name}`}>
            <b>{file.name}</b>{' '}
            <span className="text-dim">
              {t('bill.imported', {
                format: file.format,
                rows: format.count(file.rows),
                lines: format.count(file.rows - file.unread),
                from: file.from ?? '–',
                to: file.to ?? '–',
              })}{' '}
              · {format.moment(file.at)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
