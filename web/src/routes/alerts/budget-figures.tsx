import { useQuery } from '@tanstack/react-query';
import type { Budget } from '../../api/types';
import { deletionsQuery } from '../../api/queries';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { NumberWithUnit, UserText, ShareBar } from '../../components/values';
import { usePermission } from '../../components/permission';
import { useLocale } from '../../locale';
import { budgetUnit } from './budget-draft';
import { forecastOf } from './forecast';
import { dimensionText, metricValue, metricValueText } from './labels';

/** Spent, left, the forecast with its edges and its method, and what is usual by now. */
export function BudgetFigures({ budget }: { budget: Budget }) {
  const t = useT();
  const { format } = useLocale();
  const { state, amount } = budget;
  if (!state) return <p className="text-dim">{t(budget.enabled === false ? 'alerts.notEnabled' : 'alerts.notCounted')}</p>;
  const unit = budgetUnit(budget);
  const write = (value: number) => metricValueText(format, value, unit, '');
  const { spent, estimated, left } = state;
  const forecast = forecastOf(state);
  const more = forecast?.usual_by_now === null || forecast === null ? null : spent - forecast.usual_by_now;
  return (
    <dl className="alerts-budget-figures">
      <div>
        <dt title={t('alerts.spentWhy')}>{t('alerts.spent')}</dt>
        <dd>
          <NumberWithUnit v={metricValue(format, spent, unit)} />
          {estimated !== null && (
            <span className="unit">
              {t('alerts.estimatedAll', { amount: write(estimated), share: format.percentText(spent / estimated) })}
            </span>
          )}
        </dd>
      </div>
      {left !== null && (
        <div>
          <dt>{t('alerts.remainingHead')}</dt>
          <dd className={left < 0 ? 'text-error' : undefined}>
            <NumberWithUnit v={metricValue(format, left, unit)} />
            {left >= 0 && <span className="unit">{format.percentText(left / amount)} %</span>}
          </dd>
        </div>
      )}
      {forecast && (
        <div>
          <dt>{t('alerts.forecast')}</dt>
          <dd className={forecast.expected > amount ? 'text-warning' : undefined}>
            <NumberWithUnit v={metricValue(format, forecast.expected, unit)} />
            <span className="unit">{t('alerts.between', { low: write(forecast.low), high: write(forecast.high) })}</span>
          </dd>
        </div>
      )}
      {forecast?.usual_by_now != null && more !== null && (
        <div>
          <dt>{t('alerts.usualByNow')}</dt>
          <dd>
            <NumberWithUnit v={metricValue(format, forecast.usual_by_now, unit)} />
            <span className="unit">
              {more >= 0 ? t('alerts.aboveUsual', { amount: write(more) }) : t('alerts.belowUsual', { amount: write(-more) })}
            </span>
          </dd>
        </div>
      )}
    </dl>
  );
}

/** How the forecast was made: a figure shows where it came from. */
export function ForecastNote({ budget }: { budget: Budget }) {
  const t = useT();
  const forecast = budget.state?.forecast;
  const estimated = budget.state?.estimated ?? null;
  if (!forecast && estimated === null) return null;
  const method = { weekly: 'alerts.methodWeekly', daily: 'alerts.methodDaily', linear: 'alerts.methodLinear' } as const;
  return (
    <p className="alerts-note text-dim">
      {forecast && t(method[forecast.method], { n: forecast.samples })} {estimated !== null && t('alerts.estimatedWhy')}
    </p>
  );
}

/** What the period is, and when it starts again. */
export function PeriodText({ budget }: { budget: Budget }) {
  const t = useT();
  const { format } = useLocale();
  const word = { day: 'alerts.perDay', week: 'alerts.perWeek', month: 'alerts.perMonth' } as const;
  const amount = metricValueText(format, budget.amount, budgetUnit(budget), '');
  const end = budget.state?.period_end;
  return (
    <span className="section-note">
      {t(word[budget.period], { amount, zone: budget.time_zone })}
      {end && `; ${t('alerts.startsAgain', { length: plain(format.until(end)) })}`}
    </span>
  );
}

/** Who has spent most of a budget that each has for itself. */
export function BudgetGroups({ budget, most }: { budget: Budget; most: number }) {
  const t = useT();
  const { format } = useLocale();
  const groups = budget.state?.groups;
  if (!groups || groups.length === 0) return null;
  const unit = budgetUnit(budget);
  return (
    <table className="data-table" aria-label={t('alerts.spent')}>
      <thead>
        <tr>
          <th scope="col">{dimensionText(t, budget.group_by ?? '')}</th>
          <th scope="col" className="numeric">
            {t('alerts.spent')}
          </th>
          <th scope="col" className="numeric">
            {t('alerts.remainingHead')}
          </th>
          <th scope="col" className="column-optional" aria-hidden="true" />
        </tr>
      </thead>
      <tbody>
        {groups.slice(0, most).map(({ key, spent, estimated, left }) => (
          <tr key={key ?? ''}>
            <td className="column-grow">
              {key === null ? <span className="unknown-value">{t('common.noValue')}</span> : <UserText text={key} />}
            </td>
            <td className="numeric">
              <NumberWithUnit v={metricValue(format, spent, unit)} />
              {estimated !== null && (
                <span className="unit"> {t('alerts.estimatedBrief', { amount: metricValueText(format, estimated, unit, '') })}</span>
              )}
            </td>
            <td className={left < 0 ? 'numeric text-error' : 'numeric text-dim'}>
              <NumberWithUnit v={metricValue(format, left, unit)} />
            </td>
            <td className="column-optional">
              <ShareBar of={spent / budget.amount} color={left < 0 ? 'var(--error)' : undefined} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Deleted calls stay in what was spent, so that it differs from the cost of what is stored. */
export function DeletedNote({ project, budget }: { project: number; budget: Budget }) {
  const t = useT();
  const { isAllowed } = usePermission('get /api/v1/deletions');
  const { data } = useQuery({ ...deletionsQuery, enabled: isAllowed });
  const since = budget.state?.period_start;
  if (!since || !data?.deletions.some((one) => one.project === project && one.spans > 0 && Date.parse(one.at) >= Date.parse(since)))
    return null;
  return <p className="alerts-note text-dim">{t('alerts.deletedSince')}</p>;
}
