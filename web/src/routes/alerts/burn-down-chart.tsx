import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { Bucket, Budget, BudgetState, Measure } from '../../api/types';
import { seriesQuery } from '../../api/queries';
import { useT } from '../../i18n';
import type { Format } from '../../format';
import { useLocale } from '../../locale';
import { forecastOf } from './forecast';
import { burnDown, spreadLabels, type Point } from './burn-down';
import { budgetUnit } from './budget-draft';
import { metricValueText, metricText } from './labels';

const BUCKETS: Record<Budget['period'], Bucket> = { day: '15m', week: '1h', month: '6h' };

/** What a budget's measure is made of in series. */
const PARTS_OF_PERIOD: Record<string, Measure[]> = {
  cost: ['cost'],
  calls: ['calls'],
  total_tokens: ['input_tokens', 'output_tokens'],
  input_tokens: ['input_tokens'],
  output_tokens: ['output_tokens'],
};

const NONE: Measure[] = [];

/** Of a label of two lines, in per cent of the chart's height. */
const LABEL_GAP = 13;

/** What is left of a budget, burning down to zero, and the two futures of the forecast. */
export function BurnDownChart({ project, budget }: { project: number; budget: Budget & { state: BudgetState | null } }) {
  const t = useT();
  // The axis is the budget's own calendar.
  const { format } = useLocale(budget.time_zone);
  const { state, amount } = budget;
  const parts = PARTS_OF_PERIOD[budget.measure ?? 'cost'] ?? NONE;
  const scope = { from: state?.period_start ?? '-24h', to: 'now', q: budget.filter };
  const series = useQuery({
    ...seriesQuery(project, scope, BUCKETS[budget.period], parts.length ? parts : ['calls']),
    enabled: parts.length > 0,
  });
  // Until the course is known, the clock alone says where the period stands.
  const [opened] = useState(() => Date.now());
  const burn = useMemo(() => {
    if (!state) return null;
    const lists = parts.map((part) => series.data?.measures[part]?.[0]?.points ?? []);
    const points = (lists[0] ?? []).map(([at], index): [string, number | null] => [
      at,
      lists.reduce((sum, list) => sum + (list[index]?.[1] ?? 0), 0),
    ]);
    return burnDown(amount, state, points, Math.max(series.dataUpdatedAt, opened));
  }, [state, amount, parts, series.data, series.dataUpdatedAt, opened]);
  if (!state || !burn) return null;

  const unit = budgetUnit(budget);
  const write = (value: number) => metricValueText(format, value, unit, '');
  const { top, bottom, now } = burn;
  const y = (left: number) => ((top - left) / Math.max(1e-12, top - bottom)) * 100;
  const line = (points: Point[]) =>
    points.map(([x, left], at) => `${at === 0 ? 'M' : 'L'}${(x * 100).toFixed(2)} ${y(left).toFixed(2)}`).join('');
  const band = burn.low.length > 0 && burn.high.length > 0 ? `${line(burn.low)}L${line(burn.high.toReversed()).slice(1)}z` : '';
  const forecast = forecastOf(state);
  const runsOut = forecast?.runs_out_at ? percentOf(state, forecast.runs_out_at) : null;
  const end = (points: Point[]) => points.at(-1)?.[1] ?? 0;
  // Where far more was spent than there was, the upper lines come too close to be told apart.
  const lines = [0, top, top / 2, ...timesOf(top, bottom)].filter((value, at, all) =>
    all.slice(0, at).every((other) => Math.abs(y(value) - y(other)) > 7),
  );
  const saying = (left: number) => t(left < 0 ? 'alerts.overspent' : 'alerts.remaining', { amount: write(Math.abs(left)) });
  const ends = [
    { points: burn.high, why: t(forecast && forecast.projected < forecast.high ? 'alerts.forecastHigh' : 'alerts.currentPace') },
    { points: burn.expected, why: t('alerts.forecastExpected') },
    { points: burn.low, why: t('alerts.forecastLow') },
  ]
    .filter(({ points }) => points.length > 0)
    .map(({ points, why }) => ({ left: end(points), says: saying(end(points)), why }))
    // Ends that read the same are one.
    .filter(({ says }, at, all) => all.findIndex((other) => other.says === says) === at)
    // Those below the chart share its edge: the more is left, the higher.
    .toSorted((a, b) => b.left - a.left);
  const tops = spreadLabels(
    ends.map(({ left }) => Math.max(0, Math.min(100, y(left)))),
    LABEL_GAP,
  );
  return (
    <div className="chart alerts-burn-down">
      <div
        className="chart-plot"
        role="img"
        aria-label={t('alerts.burnDownLabel', {
          measure: metricText(t, budget.measure ?? 'cost'),
          left: write(end(burn.course)),
          amount: write(amount),
        })}
      >
        {lines.map((value) => (
          <div key={value} className={value === 0 ? 'chart-grid-line is-zero' : 'chart-grid-line'} style={{ top: `${y(value)}%` }}>
            <span className="alerts-burn-down-scale">{write(value)}</span>
          </div>
        ))}
        <svg className="chart-shapes" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
          {band && <path d={band} fill="var(--warn-soft)" />}
          {burn.expected.length > 0 && <path className="chart-line" d={line(burn.expected)} stroke="var(--warn)" strokeDasharray="4 3" />}
          {burn.low.length > 0 && <path className="chart-line" d={line(burn.low)} stroke="var(--warn)" strokeWidth="1" opacity=".5" />}
          {burn.high.length > 0 && <path className="chart-line" d={line(burn.high)} stroke="var(--warn)" strokeWidth="1" opacity=".5" />}
          <path d={`${line(burn.course)}L${now * 100} ${y(0)}L0 ${y(0)}z`} fill="var(--sunken)" opacity=".7" />
          <path className="chart-line" d={line(burn.course)} stroke="var(--ink)" style={{ strokeWidth: 2 }} />
        </svg>
        <div className={now > 0.7 ? 'alerts-burn-down-now is-flipped' : 'alerts-burn-down-now'} style={{ left: `${now * 100}%` }}>
          <span>{saying(end(burn.course))}</span>
        </div>
        <i className="alerts-burn-down-point" style={{ left: `${now * 100}%`, top: `${y(end(burn.course))}%` }} />
        {runsOut !== null && runsOut > now && (
          <div className={runsOut < 0.5 ? 'alerts-burn-down-zero is-early' : 'alerts-burn-down-zero'} style={{ left: `${runsOut * 100}%`, top: `${y(0)}%` }}>
            <span>{t('alerts.usedUpAbout', { time: format.brief(forecast?.runs_out_at ?? '') })}</span>
          </div>
        )}
        {ends.map(({ left, says, why }, at) => (
          <span key={why} className={left < 0 ? 'chart-line-end is-overspent' : 'chart-line-end'} style={{ top: `${tops[at]}%` }}>
            <b>
              {says}
              {y(left) > 100 && ' ↓'}
            </b>
            {why}
          </span>
        ))}
        {[0, 0.25, 0.5, 0.75, 1].map((x) => (
          <span
            key={x}
            className={
              x === 0
                ? 'chart-tick chart-tick-first'
                : x === 1
                  ? 'chart-tick chart-tick-last'
                  : x === 0.5
                    ? 'chart-tick'
                    : 'chart-tick is-minor'
            }
            style={{ left: `${x * 100}%` }}
          >
            {TickLabel(format, state, budget.period, x)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Two or three heights below zero, each a whole number of amounts. */
function timesOf(amount: number, bottom: number): number[] {
  const times = amount > 0 ? Math.floor(-bottom / amount) : 0;
  const step = Math.max(1, Math.ceil(times / 3));
  return Array.from({ length: Math.floor(times / step) }, (_, at) => -amount * step * (at + 1));
}

const percentOf = (state: BudgetState, at: string) => {
  const start = Date.parse(state.period_start);
  return Math.max(0, Math.min(1, (Date.parse(at) - start) / Math.max(1, Date.parse(state.period_end) - start)));
};

function TickLabel(format: Format, state: BudgetState, period: Budget['period'], x: number): string {
  const start = Date.parse(state.period_start);
  const at = start + x * (Date.parse(state.period_end) - start);
  return period === 'day' ? format.hourMinute(at) : format.day(at);
}
