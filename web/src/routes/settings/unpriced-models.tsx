import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { pricesQuery, unpricedQuery } from '../../api/queries';
import type { Project, UnpricedModel } from '../../api/types';
import { useT } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { pricedBy } from './priced-by';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Timestamp, Swatch, TokenCount } from '../../components/values';
import { Permitted } from '../../components/permission';
import { useLocale } from '../../locale';
import { today } from './price-draft';

/** How far back it is looked for calls without a price. */
const DAYS = 30;

/** Models without a price, each a click away from one. */
export function UnpricedModels({ project, onSet }: { project: Project; onSet: (wanted: { model: string; provider: string }) => void }) {
  const t = useT();
  const { format } = useLocale();
  const range = useMemo(() => ({ from: `-${DAYS}d`, to: 'now' }), []);
  const palette = useModelColors(project.id);
  const { data, error, refetch } = useQuery(unpricedQuery(project.id, range));
  const own = useQuery(pricesQuery(project.id)).data?.prices ?? [];
  const isPriced = ({ model, provider }: UnpricedModel) => model !== null && own.some((price) => pricedBy(price, model, provider, today()));
  const colorOf = palette.among((data?.models ?? []).map(({ model }) => model));
  const columns: Column<UnpricedModel>[] = [
    {
      key: 'model',
      head: t('prices.model'),
      grow: true,
      cell: (row) => (
        <span className="name-cell">
          <Swatch color={colorOf(row.model)} hatched />
          <b className="ellipsis">{row.model ?? t('common.noValue')}</b>
          <span className="text-dim ellipsis">{row.provider}</span>
        </span>
      ),
    },
    { key: 'calls', head: t('prices.calls'), num: true, cell: (row) => format.count(row.calls) },
    { key: 'input', head: t('prices.input'), num: true, cell: (row) => <TokenCount n={row.input_tokens} /> },
    { key: 'output', head: t('prices.output'), num: true, cell: (row) => <TokenCount n={row.output_tokens} /> },
    { key: 'last', head: t('prices.last'), num: true, optional: true, cell: (row) => <Timestamp at={row.last_seen} /> },
    {
      key: 'do',
      head: '',
      num: true,
      cell: (row) => {
        const { model, provider } = row;
        if (model === null) return null;
        if (isPriced(row)) {
          return (
            <a className="action-link" href="#reprice" title={t('prices.pricedSince')}>
              {t('prices.repriceShort')}
            </a>
          );
        }
        return (
          <Permitted operation="post /api/v1/projects/{project}/prices" project={project.id}>
            <button type="button" className="button button-quiet" onClick={() => onSet({ model, provider: provider ?? '' })}>
              {t('prices.add')}
            </button>
          </Permitted>
        );
      },
    },
  ];
  return (
    <>
      <h3>{t('prices.unpriced')}</h3>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={2} />}
      {data && data.models.length === 0 && <p className="text-dim">{t('prices.allPriced')}</p>}
      {data && data.models.length > 0 && (
        <>
          <p className="text-dim">{t('prices.unpricedWhy')}</p>
          {data.models.some(isPriced) && <p className="text-success">{t('prices.pricedSince')}</p>}
          <Table
            label={t('prices.unpriced')}
            columns={columns}
            rows={data.models}
            rowKey={({ model, provider }) => `${model ?? ''} ${provider ?? ''}`}
          />
        </>
      )}
    </>
  );
}
