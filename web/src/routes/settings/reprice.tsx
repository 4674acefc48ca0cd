import { useState, type FormEvent } from 'react';
import { useReprice } from '../../api/queries';
import type { Repriced } from '../../api/money-types';
import { useT } from '../../i18n';
import { ErrorPart } from '../../parts/states';
import { Table, type Column } from '../../parts/table';
import { Unknown } from '../../parts/values';
import { useReader } from '../../reader';
import { today } from './price-draft';

const DAY_MS = 86_400_000;

/** The last 30 days, today included. */
function lastMonth(now = Date.now()) {
  return { from: today(new Date(now - 30 * DAY_MS)), to: today(new Date(now + DAY_MS)) };
}

/** Prices again what is stored: first to see what would change, then to change it. */
export function Reprice({ project }: { project: number }) {
  const t = useT();
  const { format } = useReader();
  const reprice = useReprice(project);
  const [range, setRange] = useState(() => lastMonth());
  const run = (dry: boolean) => reprice.mutate({ ...range, dry_run: dry });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run(true);
  };
  const answer = reprice.data;
  const dry = reprice.variables?.dry_run ?? true;
  const change = (patch: Partial<typeof range>) => {
    setRange({ ...range, ...patch });
    reprice.reset();
  };
  return (
    <>
      <h3 id="reprice" className="anchor">{t('prices.again')}</h3>
      <p className="dim">{t('prices.againWhy')}</p>
      <form className="prow" onSubmit={submit}>
        <label className="pfield">
          <span>{t('prices.againFrom')}</span>
          <input className="field" type="date" required value={range.from} onChange={(event) => change({ from: event.target.value })} />
        </label>
        <label className="pfield">
          <span>{t('prices.againTo')}</span>
          <input className="field" type="date" required value={range.to} onChange={(event) => change({ to: event.target.value })} />
        </label>
        <button type="submit" className="btn" disabled={reprice.isPending}>
          {t('prices.try')}
        </button>
      </form>
      {reprice.error && <ErrorPart error={reprice.error} title={t('common.notDone')} />}
      <div role="status">{answer && <Outcome answer={answer} dry={dry} />}</div>
      {answer && dry && answer.changed > 0 && (
        <button type="button" className="btn pri" disabled={reprice.isPending} onClick={() => run(false)}>
          {t('prices.do', { n: format.count(answer.changed) })}
        </button>
      )}
    </>
  );
}

function Outcome({ answer, dry }: { answer: Repriced; dry: boolean }) {
  const t = useT();
  const { format } = useReader();
  if (answer.changed === 0) return <p>{t('prices.nothing', { of: format.count(answer.calls) })}</p>;
  const money = (usd: number | null) => (usd === null ? <Unknown /> : format.moneyExact(usd));
  const columns: Column<Repriced['models'][number]>[] = [
    {
      key: 'model',
      head: t('prices.model'),
      grow: true,
      cell: (row) => (
        <span className="pmodel">
          <b className="ell">{row.model ?? t('common.noValue')}</b>
          <span className="dim ell">{row.prices.join(', ')}</span>
        </span>
      ),
    },
    { key: 'calls', head: t('prices.changed'), num: true, cell: (row) => format.count(row.calls) },
    { key: 'before', head: t('prices.before'), num: true, cell: (row) => money(row.cost_before) },
    { key: 'after', head: t('prices.after'), num: true, cell: (row) => money(row.cost_after) },
  ];
  return (
    <>
      <p>
        {t(dry ? 'prices.sum' : 'prices.done', {
          n: format.count(answer.changed),
          of: format.count(answer.calls),
          before: format.moneyExact(answer.cost_before),
          after: format.moneyExact(answer.cost_after),
        })}{' '}
        {answer.newly_priced > 0 && t('prices.newly', { n: format.count(answer.newly_priced) })}{' '}
        {answer.no_longer_priced > 0 && t('prices.lost', { n: format.count(answer.no_longer_priced) })}
      </p>
      <Table label={t('prices.again')} columns={columns} rows={answer.models} rowKey={({ model }) => model ?? ''} />
    </>
  );
}
