import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { pricesQuery, useDeletePrice, useEndPrice } from '../../api/queries';
import { BUCKETS } from '../../api/price-buckets';
import type { BucketName, OwnPrice, Project } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip } from '../../components/values';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { useLocale } from '../../locale';
import { UNIT_BUCKETS, today } from './price-draft';
import { PriceForm } from './price-form';
import { RepriceSection } from './reprice';
import { UnpricedModels } from './unpriced-models';
import './prices.css';

export const unitKey = (bucket: BucketName): TextKey => `prices.unit.${bucket}`;

/** Own prices of a project, what has none, and pricing again what is stored. */
export function CustomPrices({ project, wanted }: { project: Project; wanted: { model: string; provider: string } | null }) {
  const t = useT();
  const { format } = useLocale();
  const { data, error, refetch } = useQuery(pricesQuery(project.id));
  const [chosen, setChosen] = useState(wanted);
  const columns: Column<OwnPrice>[] = [
    {
      key: 'model',
      head: t('prices.model'),
      grow: true,
      cell: (price) => (
        <span className="settings-price-model">
          <b className="ellipsis">{price.model}</b>
          <span className="text-dim">{price.provider ?? t('prices.anyProvider')}</span>
          {price.service_tier && <Chip>{price.service_tier}</Chip>}
          {price.input_above !== null && <Chip>{`> ${format.count(price.input_above)}`}</Chip>}
        </span>
      ),
    },
    { key: 'prices', head: t('prices.prices'), cell: (price) => <PriceList prices={price.prices} /> },
    { key: 'holds', head: t('prices.inEffect'), optional: true, cell: (price) => <EffectivePeriod price={price} /> },
    { key: 'do', head: '', num: true, cell: (price) => <PriceActions project={project.id} price={price} /> },
  ];
  return (
    <section className="pane settings-prices" id="prices" aria-labelledby="prices-title">
      <div className="section-head">
        <h2 id="prices-title">{t('prices.title')}</h2>
      </div>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && <p className="text-dim">{t('prices.why', { n: format.count(data.table.models), date: data.table.date })}</p>}
      {data && data.prices.length === 0 && <p>{t('prices.none')}</p>}
      {data && data.prices.length > 0 && (
        <Table label={t('prices.title')} columns={columns} rows={data.prices} rowKey={({ id, price }) => `${id ?? 'file'} ${price}`} />
      )}
      <PermittedOrReason operation="post /api/v1/projects/{project}/prices" project={project.id}>
        {/* Another model is another form. */}
        <PriceForm
          key={chosen ? `${chosen.model} ${chosen.provider}` : ''}
          project={project.id}
          model={chosen?.model}
          provider={chosen?.provider}
        />
      </PermittedOrReason>
      <UnpricedModels project={project} onSet={setChosen} />
      <RepriceSection project={project.id} />
    </section>
  );
}

/** `Input $0.20/M · Output $0.60/M`, in the order in which a cost is written down. */
function PriceList({ prices }: { prices: OwnPrice['prices'] }) {
  const t = useT();
  const { format } = useLocale();
  const unit = (bucket: BucketName) => (UNIT_BUCKETS.includes(bucket) || bucket === 'hour' ? `/${t(unitKey(bucket))}` : '/M');
  const name = (bucket: BucketName) => (UNIT_BUCKETS.includes(bucket) || bucket === 'hour' ? '' : `${t(unitKey(bucket))} `);
  return (
    <ul className="settings-price-list">
      {BUCKETS.filter((bucket) => prices[bucket] !== undefined).map((bucket) => (
        <li key={bucket}>
          <span className="text-dim">{name(bucket)}</span>
          {format.moneyExact(prices[bucket]!)}
          <span className="unit">{unit(bucket)}</span>
        </li>
      ))}
    </ul>
  );
}

function EffectivePeriod({ price: { from, until } }: { price: OwnPrice }) {
  const t = useT();
  const now = today();
  const text =
    from && until
      ? t('prices.between', { from, until })
      : from
        ? t('prices.from', { day: from })
        : until
          ? t('prices.until', { day: until })
          : t('prices.always');
  return (
    <>
      {text} {until && until <= now && <Chip>{t('prices.ended')}</Chip>}
      {from && from > now && <Chip>{t('prices.notYet')}</Chip>}
    </>
  );
}

function PriceActions({ project, price }: { project: number; price: OwnPrice }) {
  const t = useT();
  const end = useEndPrice(project);
  const remove = useDeletePrice(project);
  const [confirming, setConfirming] = useState(false);
  const { id } = price;
  if (id === null) {
    return (
      <span className="text-dim" title={t('prices.inFileWhy')}>
        {t('prices.inFile')}
      </span>
    );
  }
  const now = today();
  // One that begins today or later has not held yet: it can be removed, not ended.
  const running = (price.until === null || price.until > now) && (price.from === null || price.from < now);
  return (
    <span className="row-actions">
      {running && (
        <Permitted operation="patch /api/v1/projects/{project}/prices/{price}" project={project}>
          <button type="button" className="button button-quiet" disabled={end.isPending} onClick={() => end.mutate({ id, until: now })}>
            {t('prices.endNow')}
          </button>
        </Permitted>
      )}
      <Permitted operation="delete /api/v1/projects/{project}/prices/{price}" project={project}>
        <button
          type="button"
          className={confirming ? 'button button-danger' : 'button button-quiet'}
          disabled={remove.isPending}
          onBlur={() => setConfirming(false)}
          onClick={() => (confirming ? remove.mutate(id) : setConfirming(true))}
        >
          {confirming ? t('prices.removeConfirm') : t('prices.remove')}
        </button>
      </Permitted>
      {(end.error ?? remove.error) && <ErrorMessage error={end.error ?? remove.error} title={t('common.notDone')} />}
    </span>
  );
}
