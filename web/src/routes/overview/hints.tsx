import { Link } from '@tanstack/react-router';
import type { Project, Summary } from '../../api/types';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { quoteValue } from '../../filter-query';
import { useLocale } from '../../locale';

/** What the figures below leave out, said before them. */
export function OverviewHints({ project, summary }: { project: Project; summary: Summary }) {
  const t = useT();
  const { format } = useLocale();
  const { unpriced_calls: unpriced, calls_without_usage: silent, unpriced_models: models, estimated_calls: estimated } = summary;
  const named = summary.unpriced_model_count > models.length ? [...models, '…'] : models;
  if (unpriced === 0 && silent === 0 && estimated === 0) return null;
  return (
    <div className="banner">
      <Icon name="issues" />
      {unpriced > 0 && (
        <>
          <b>{t('overview.unpriced', { n: format.count(unpriced) })}</b>
          {models.length > 0 && (
            <span className="ellipsis" title={named.join(', ')}>
              {t('overview.unpricedModels', { models: named.join(', ') })}
            </span>
          )}
        </>
      )}
      {silent > 0 && (
        <span className={unpriced > 0 ? 'text-dim hidden-when-narrow' : undefined}>
          {t('overview.noUsage', { n: format.count(silent) })}
        </span>
      )}
      {estimated > 0 && (
        <span className="text-dim">
          {t('estimate.ofSum', {
            n: format.count(estimated),
            cost: summary.estimated_cost === null ? t('common.unknown') : format.money(summary.estimated_cost),
          })}
        </span>
      )}
      <span className="spacer" />
      {models.length > 0 && (
        <Link className="banner-link" to="/settings" search={{ project: String(project.id), price: models[0] }}>
          {t('trace.setPrice')}
        </Link>
      )}
      {models.length > 0 && (
        <Link
          className="banner-link"
          to="/p/$project/traces"
          params={{ project: String(project.id) }}
          search={{ q: `model:${models.map(quoteValue).join(',')}` }}
        >
          {t('overview.show')}
          <Icon name="go" size="tiny" />
        </Link>
      )}
    </div>
  );
}
