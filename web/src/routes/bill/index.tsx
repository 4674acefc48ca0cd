import { useQuery } from '@tanstack/react-query';
import { useId, type ReactNode } from 'react';
import { billQuery, useImportBill } from '../../api/queries';
import type { Bill, BillCause, BillRow, BillSum } from '../../api/money-types';
import type { Project } from '../../api/project-types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { Icon } from '../../parts/icons';
import { Rich } from '../../parts/rich';
import { Empty, ErrorPart, Skeleton } from '../../parts/states';
import { Table, type Column } from '../../parts/table';
import { Share, Unknown } from '../../parts/values';
import { useProject } from '../../project';
import { useRange, useReader } from '../../reader';
import { InBar } from '../../shell/bar-slots';
import { useTitle } from '../../shell/title';
import './bill.css';

/** What providers billed beside what was observed: the gap, and what explains it. */
export default function BillPage() {
  const t = useT();
  useTitle(t('bill.title'));
  const project = useProject();
  const range = useRange();
  const { data, error, refetch } = useQuery(billQuery(project.id, range.span));
  return (
    <div className="bill">
      <InBar side="left">
        <h1 className="pick">
          <b>{t('bill.title')}</b>
        </h1>
      </InBar>
      <Import project={project} />
      {error && !data && <ErrorPart error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton />}
      {data && data.rows.length === 0 && (
        <Empty title={t('bill.none')}>
          <Rich text={t('bill.noneWhy')} />
        </Empty>
      )}
      {data && data.rows.length > 0 && <Report bill={data} />}
      {data && data.imports.length > 0 && <Imports bill={data} />}
    </div>
  );
}

function Import({ project }: { project: Project }) {
  const t = useT();
  const id = useId();
  const { format } = useReader();
  const run = useImportBill(project.id);
  const done = run.data;
  return (
    <section className="sheet pane imp">
      <p className="dim small">{t('bill.why')}</p>
      <p>
        <label className="btn pri" htmlFor={id}>
          {run.isPending ? t('bill.importing') : t('bill.import')}
        </label>
        <input
          id={id}
          className="vh"
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
      <p className="dim small">{t('bill.importWhy')}</p>
      {run.error && <ErrorPart error={run.error} title={t('common.notDone')} />}
      {done && (
        <div role="status" className="small">
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

function Report({ bill }: { bill: Bill }) {
  const t = useT();
  const { total } = bill;
  return (
    <>
      <section className="cols sheet billfigs" aria-label={t('bill.title')}>
        <Figure label={t('bill.billed')}>
          <Dollars usd={total.billed} />
        </Figure>
        <Figure label={t('bill.observed')}>
          <Dollars usd={total.observed} />
        </Figure>
        <Figure label={t('bill.gap')}>
          <Dollars usd={total.gap} />
        </Figure>
        <Figure label={t('bill.coverage')}>
          <Coverage sum={total} />
        </Figure>
      </section>
      <section className="sheet pane">
        <div className="head">
          <h2>{t('bill.causes')}</h2>
        </div>
        {bill.causes.length === 0 ? (
          <p className="dim small">{t('bill.noCauses')}</p>
        ) : (
          <ul className="causes">
            {bill.causes.map((cause, at) => (
              <li key={`${cause.cause} ${cause.model} ${at}`}>
                <Icon name="issues" size="s" />
                <span>
                  <CauseText cause={cause} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
      <Sums title={t('bill.byModel')} rows={bill.models} name={t('bill.model')} cell={modelOf} total={total} />
      <Sums title={t('bill.byDay')} rows={bill.days} name={t('bill.day')} cell={({ day }) => day} total={total} />
      <section className="sheet pane">
        <details>
          <summary>{t('bill.rows')}</summary>
          <Sums rows={bill.rows} name={t('bill.day')} cell={(row) => row.day} second={modelOf} />
        </details>
      </section>
    </>
  );
}

const modelOf = ({ model }: BillRow): ReactNode => (model === '' ? <NoModel /> : model);

function NoModel() {
  return <span className="dim">{useT()('bill.noModel')}</span>;
}

function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="sysfig">
      <div className="l">{label}</div>
      <div className="v">{children}</div>
    </div>
  );
}

function Dollars({ usd }: { usd: number | null }) {
  const { format } = useReader();
  if (usd === null) return <Unknown />;
  return <span title={format.moneyExact(usd)}>{format.money(usd)}</span>;
}

function Coverage({ sum }: { sum: BillSum }) {
  const { format } = useReader();
  if (sum.coverage === null) return <span className="dim">–</span>;
  return (
    <>
      {plain(format.percent(sum.coverage))}
      <Share of={sum.coverage} />
    </>
  );
}

interface SumsProps {
  title?: string;
  rows: BillRow[];
  name: string;
  cell: (row: BillRow) => ReactNode;
  second?: (row: BillRow) => ReactNode;
  total?: BillSum;
}

function Sums({ title, rows, name, cell, second, total }: SumsProps) {
  const t = useT();
  const { format } = useReader();
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
    { key: 'billed', head: t('bill.billed'), num: true, cell: (row) => <Dollars usd={row.billed} />, foot: total && <Dollars usd={total.billed} /> },
    {
      key: 'observed',
      head: t('bill.observed'),
      num: true,
      cell: (row) => (row.observed === null && row.calls === 0 ? <span className="dim">–</span> : <Dollars usd={row.observed} />),
      foot: total && <Dollars usd={total.observed} />,
    },
    {
      key: 'gap',
      head: t('bill.gap'),
      num: true,
      cell: (row) => (row.gap === null ? <span className="dim">–</span> : <Dollars usd={row.gap} />),
      foot: total && <Dollars usd={total.gap} />,
    },
    {
      key: 'coverage',
      head: t('bill.coverage'),
      num: true,
      cell: (row) => <Coverage sum={row} />,
      foot: total && <Coverage sum={total} />,
    },
  ];
  const table = (
    <Table label={title ?? t('bill.rows')} columns={columns} rows={rows} rowKey={(row) => `${row.day} ${row.model}`} foot={total !== undefined} />
  );
  if (!title) return table;
  return (
    <section className="sheet pane">
      <div className="head">
        <h2>{title}</h2>
      </div>
      {table}
    </section>
  );
}

function CauseText({ cause }: { cause: BillCause }) {
  const t = useT();
  const { format } = useReader();
  const model = cause.model === '' ? t(cause.cause === 'not_on_bill' ? 'bill.otherProvider' : 'bill.noModel') : (cause.model ?? '');
  const vars = {
    model,
    n: format.count(cause.count ?? 0),
    amount: format.money(cause.amount ?? 0),
    rate: plain(format.percent(cause.rate ?? 0)),
  };
  if (cause.cause === 'sampled') {
    return [cause.rate !== null && t('bill.cause.sampled', vars), cause.count !== null && t('bill.cause.sampledOut', vars)].filter(Boolean).join(' ');
  }
  return t(`bill.cause.${cause.cause}`, vars);
}

function Imports({ bill }: { bill: Bill }) {
  const t = useT();
  const { format } = useReader();
  return (
    <section className="sheet pane">
      <div className="head">
        <h2>{t('bill.imports')}</h2>
      </div>
      <ul className="small imports">
        {bill.imports.map((file) => (
          <li key={`${file.at} ${file.name}`}>
            <b>{file.name}</b>{' '}
            <span className="dim">
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
