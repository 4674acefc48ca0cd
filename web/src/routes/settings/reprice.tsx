import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { hasEnded } from '../../api/status';
import type { RepriceJob, Repriced } from '../../api/types';
import { projectKey, repriceJobQuery, useCancelJob, useReprice, useTryReprice } from '../../api/queries';
import { useT } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { UnknownValue } from '../../components/values';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { useLocale } from '../../locale';
import { today } from './price-draft';

const DAY_MS = 86_400_000;

/** The last 30 days, today included. */
function lastMonth(now = Date.now()) {
  return { from: today(new Date(now - 30 * DAY_MS)), through: today(new Date(now)) };
}

/** The range as the API takes it, whose end is not included: the day after the last. */
function rangeOf({ from, through }: ReturnType<typeof lastMonth>) {
  return { from, to: today(new Date(Date.parse(through) + DAY_MS)) };
}

/** Prices again what is stored: first to see what would change, then to have the server change it. */
export function RepriceSection({ project }: { project: number }) {
  const t = useT();
  const { format } = useLocale();
  const preview = useTryReprice(project);
  const reprice = useReprice(project);
  const { data: job } = useQuery(repriceJobQuery(project));
  const [range, setRange] = useState(() => lastMonth());
  const isBusy = reprice.isPending || (!!job && !hasEnded(job));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    preview.mutate(rangeOf(range));
  };
  const change = (patch: Partial<typeof range>) => {
    setRange({ ...range, ...patch });
    preview.reset();
  };
  const start = () => reprice.mutate(rangeOf(range), { onSuccess: () => preview.reset() });
  return (
    <>
      <h3 id="reprice" className="settings-anchor">
        {t('prices.reprice')}
      </h3>
      <p className="text-dim">{t('prices.repriceWhy')}</p>
      {job && <RepriceJobStatus project={project} job={job} onAgain={() => reprice.mutate({ from: job.from, to: job.to })} />}
      <PermittedOrReason operation="post /api/v1/projects/{project}/reprice" project={project}>
        <form className="settings-price-row" onSubmit={submit}>
          <label className="settings-price-field">
            <span>{t('prices.repriceFrom')}</span>
            <input className="field" type="date" required value={range.from} onChange={(event) => change({ from: event.target.value })} />
          </label>
          <label className="settings-price-field">
            <span>{t('prices.repriceThrough')}</span>
            <input
              className="field"
              type="date"
              required
              value={range.through}
              onChange={(event) => change({ through: event.target.value })}
            />
          </label>
          <button type="submit" className="button" disabled={preview.isPending || isBusy}>
            {t('prices.previewChanges')}
          </button>
        </form>
      </PermittedOrReason>
      {preview.error && <ErrorMessage error={preview.error} title={t('common.notDone')} />}
      {reprice.error && <ErrorMessage error={reprice.error} title={t('common.notDone')} />}
      <div role="status">{preview.data && <RepriceResult answer={preview.data} dry />}</div>
      {preview.data && preview.data.changed > 0 && (
        <button type="button" className="button button-primary" disabled={isBusy} onClick={start}>
          {t('prices.applyChanges', { n: format.count(preview.data.changed) })}
        </button>
      )}
    </>
  );
}

/** How far the server is, or how the last job ended, also for whoever comes back later. */
function RepriceJobStatus({ project, job, onAgain }: { project: number; job: RepriceJob; onAgain: () => void }) {
  const t = useT();
  const { format } = useLocale();
  const client = useQueryClient();
  const cancel = useCancelJob(project);
  const ended = hasEnded(job);
  // What it changed shows everywhere as soon as it has ended.
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && ended) void client.invalidateQueries({ queryKey: projectKey(project) });
    wasRunning.current = !ended;
  }, [client, project, ended]);
  const when = job.ended_at ? format.moment(job.ended_at) : '';
  if (!ended) {
    const isCounted = job.total > 0;
    return (
      <div className="settings-reprice-job" role="status">
        <p>
          {job.state === 'queued'
            ? t('prices.queued')
            : isCounted
              ? t('prices.running', { done: format.count(job.done), total: format.count(job.total) })
              : t('prices.counting')}{' '}
          <span className="text-dim">{t('prices.continuesInServer')}</span>
        </p>
        <div className="settings-price-row">
          <progress aria-label={t('prices.reprice')} {...(isCounted && { value: job.done, max: job.total })} />
          <Permitted operation="delete /api/v1/jobs/{job}">
            <button type="button" className="button" disabled={cancel.isPending} onClick={() => cancel.mutate(job.id)}>
              {t('prices.cancel')}
            </button>
          </Permitted>
        </div>
        {cancel.error && <ErrorMessage error={cancel.error} title={t('common.notDone')} />}
      </div>
    );
  }
  if (job.state === 'done') {
    return (
      <div className="settings-reprice-job" role="status">
        <p>
          <b>{t('prices.doneAt', { time: when })}</b>
        </p>
        {job.result && <RepriceResult answer={job.result} dry={false} />}
      </div>
    );
  }
  const changed = job.result?.changed ?? 0;
  return (
    <div className="settings-reprice-job error-message" role="alert">
      <div>
        <b>{job.state === 'failed' ? t('prices.failedAt', { time: when }) : t('prices.cancelledAt', { time: when })}</b>
        {job.reason && <p>{job.reason}</p>}
        <p>
          {changed > 0 && job.reached
            ? t('prices.mixedPrices', { n: format.count(changed), time: format.moment(job.reached) })
            : t('prices.noCostChanged')}
        </p>
      </div>
      <Permitted operation="post /api/v1/projects/{project}/reprice" project={project}>
        <button type="button" className="button" onClick={onAgain}>
          {t('prices.repriceAgain')}
        </button>
      </Permitted>
    </div>
  );
}

function RepriceResult({ answer, dry }: { answer: Repriced; dry: boolean }) {
  const t = useT();
  const { format } = useLocale();
  if (answer.changed === 0) return <p>{t('prices.nothing', { of: format.count(answer.calls) })}</p>;
  const sum = (usd: number | null) => (usd === null ? t('common.unknown') : format.moneyExact(usd));
  const money = (usd: number | null) => (usd === null ? <UnknownValue /> : format.moneyExact(usd));
  const columns: Column<Repriced['models'][number]>[] = [
    {
      key: 'model',
      head: t('prices.model'),
      grow: true,
      cell: (row) => (
        <span className="settings-price-model">
          <b className="ellipsis">{row.model ?? t('common.noValue')}</b>
          <span className="text-dim ellipsis">{row.prices.join(', ')}</span>
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
        {t(dry ? 'prices.changePreview' : 'prices.changeResult', {
          n: format.count(answer.changed),
          of: format.count(answer.calls),
          before: sum(answer.cost_before),
          after: sum(answer.cost_after),
        })}{' '}
        {answer.newly_priced > 0 && t('prices.newlyPriced', { n: format.count(answer.newly_priced) })}{' '}
        {answer.no_longer_priced > 0 && t('prices.noLongerPriced', { n: format.count(answer.no_longer_priced) })}
      </p>
      <Table label={t('prices.reprice')} columns={columns} rows={answer.models} rowKey={({ model }) => model ?? ''} />
    </>
  );
}
