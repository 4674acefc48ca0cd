import { memo, Fragment, useMemo, useState } from 'react';
import { useT } from '../../i18n';
import { Glyph, Icon, kindColor } from '../../components/icons';
import { Duration, NumberWithUnit } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';
import { timeShares, isShownByOperation, type CategoryShare, type TimeShare } from './model/shares';

/** Own and inclusive time by operation; what begins alike is summed, and can be unfolded. */
export const OperationsTable = memo(function Operations() {
  const t = useT();
  const { format } = useLocale();
  const { tree, select } = useTraceView();
  const categories = useMemo(() => timeShares(tree.nodes), [tree]);
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const isOpen = ({ key, operations }: CategoryShare) => operations.length > 1 && isShownByOperation(key) !== toggled.has(key);
  const toggle = (key: string) =>
    setToggled((was) => {
      const next = new Set(was);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  const whole = categories.reduce((sum, { self }) => sum + self, 0);
  const line = (share: TimeShare, category: CategoryShare, inner: boolean) => {
    const { slowest } = share;
    const folds = !inner && category.operations.length > 1;
    return (
      <tr key={inner ? `${category.key} ${share.key}` : share.key} className={inner ? 'trace-operation-inner' : undefined}>
        <th scope="row">
          <span className="trace-operation-name">
            {folds ? (
              <button
                type="button"
                className="trace-fold-button"
                aria-expanded={isOpen(category)}
                aria-label={t(isOpen(category) ? 'trace.fold' : 'trace.unfold')}
                onClick={() => toggle(category.key)}
              >
                <Icon name={isOpen(category) ? 'down' : 'right'} size="tiny" />
              </button>
            ) : (
              <span className="trace-fold-button" />
            )}
            <Glyph kind={share.kind} />
            <span className="ellipsis" title={share.key}>
              {share.key}
              {folds && <span className="text-dim">.*</span>}
            </span>
          </span>
        </th>
        <td className="numeric">{format.count(share.spans)}</td>
        <td className={share.failed > 0 ? 'numeric text-error' : 'numeric text-dim'}>{format.count(share.failed)}</td>
        <td className="numeric">
          <b>
            <NumberWithUnit v={format.percent(share.share)} />
          </b>
        </td>
        <td className="trace-share-cell" aria-hidden="true">
          <i style={{ width: `${share.share * 100}%`, background: kindColor(share.kind) }} />
        </td>
        <td className="numeric">
          <Duration ms={share.self} />
        </td>
        <td className="numeric text-medium">
          <Duration ms={share.inclusive} />
        </td>
        <td className="numeric column-optional">
          {share.spans > 1 && (
            <button type="button" className="text-link" onClick={() => select(slowest.span.span_id)} title={t('trace.openSlowest')}>
              <Duration ms={slowest.span.duration_ms} />
            </button>
          )}
        </td>
      </tr>
    );
  };
  return (
    <div className="trace-operations">
      <table className="data-table" aria-label={t('trace.operations')}>
        <thead>
          <tr>
            <th scope="col">{t('trace.operation')}</th>
            <th scope="col" className="numeric">
              {t('trace.spans')}
            </th>
            <th scope="col" className="numeric">
              {t('traces.failed')}
            </th>
            <th scope="col" className="numeric" title={t('trace.sharesWhy')}>
              {t('trace.share')} ↓
            </th>
            <th scope="col" className="trace-share-cell">
              <span className="visually-hidden">{t('trace.share')}</span>
            </th>
            <th scope="col" className="numeric" title={t('trace.withRequestsWhy')}>
              {t('trace.withRequests')}
            </th>
            <th scope="col" className="numeric" title={t('trace.inclusiveWhy')}>
              {t('trace.inclusive')}
            </th>
            <th scope="col" className="numeric column-optional" title={t('trace.slowestWhy')}>
              {t('trace.slowest')}
            </th>
          </tr>
        </thead>
        <tbody>
          {categories.map((category) => (
            <Fragment key={category.key}>
              {line(category, category, false)}
              {isOpen(category) && category.operations.map((operation) => line(operation, category, true))}
            </Fragment>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td>{t('trace.sumSelf')}</td>
            <td className="numeric">{format.count(tree.nodes.length)}</td>
            <td aria-hidden="true" />
            <td className="numeric">
              <NumberWithUnit v={[{ n: '100', u: '%' }]} />
            </td>
            <td className="trace-share-cell" aria-hidden="true" />
            <td className="numeric">
              <Duration ms={whole} />
            </td>
            <td className="numeric" aria-hidden="true" />
            <td className="numeric column-optional" aria-hidden="true" />
          </tr>
        </tfoot>
      </table>
      <p className="text-dim text-small trace-note">{t('trace.operationsWhy')}</p>
    </div>
  );
});
