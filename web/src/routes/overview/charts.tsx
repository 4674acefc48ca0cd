import { Link, useNavigate } from '@tanstack/react-router';
import type { BreakdownRow, Project, SeriesAnswer, Summary } from '../../api/types';
import { LineChart, StackChart, useAxis } from '../../charts';
import { OTHER_COLOR, type ColorOf } from '../../colors';
import { useT } from '../../i18n';
import { NumberWithUnit, Swatch, UnknownValue } from '../../components/values';
import { joinFilters, fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { failedCallsSearch } from './failed-calls';
import { byCost, isUnpriced, OTHER, stackSeries, seriesValues } from './series';

interface ChartsProps {
  project: Project;
  q: string | undefined;
  summary: Summary;
  series: SeriesAnswer | undefined;
  byModel: SeriesAnswer | undefined;
  models: BreakdownRow[];
  colorOf: ColorOf;
  width: string;
  stale: boolean;
}

export function OverviewCharts({ stale, ...props }: ChartsProps) {
  return (
    <section className={`columns overview-charts sheet${stale ? ' is-stale' : ''}`} aria-busy={stale || undefined}>
      <CostChart {...props} />
      <CallsChart {...props} />
      <LatencyChart {...props} />
      <TokensChart {...props} />
    </section>
  );
}

type OverviewChartProps = Omit<ChartsProps, 'stale'>;

function CostChart({ project, q, byModel, models, colorOf, width }: OverviewChartProps) {
  const t = useT();
  const { format } = useLocale();
  const stack = stackSeries(byModel?.measures.cost, colorOf, byModel?.others?.cost);
  const rows = byCost(models);
  const named = new Set(stack.map(({ key }) => key));
  const shown = rows.filter((row) => isUnpriced(row) || named.has(row.key ?? ''));
  const rest = rows.filter((row) => !shown.includes(row) && (row.cost ?? 0) > 0);
  const restCost = rest.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.costByModel')}</h2>
        <span className="section-note">{t('overview.dollarsPer', { width })}</span>
      </div>
      <StackChart
        name={t('overview.costByModel')}
        series={stack}
        mark={(value) => [{ n: format.moneyMark(value) }]}
        flag={(value) => [{ n: format.money(value) }]}
        room={44}
      />
      <div className="chart-legend">
        {shown.map((row) => (
          <Link
            key={row.key}
            to="/p/$project/traces"
            params={{ project: String(project.id) }}
            search={{ q: joinFilters(q, fieldTerm('model', row.key)) }}
          >
            <Swatch color={colorOf(row.key)} hatched={isUnpriced(row)} />
            <span className="ellipsis" title={row.key ?? undefined}>
              {row.key ?? t('common.noValue')}
            </span>{' '}
            <b>{row.cost === null ? <UnknownValue /> : <span title={format.moneyExact(row.cost)}>{format.money(row.cost)}</span>}</b>
          </Link>
        ))}
        {named.has(OTHER) && (
          <span>
            <Swatch color={OTHER_COLOR} />
            {t('overview.otherModels', { n: rest.length })} <b title={format.moneyExact(restCost)}>{format.money(restCost)}</b>
          </span>
        )}
      </div>
    </div>
  );
}

function CallsChart({ project, q, summary, series, width }: OverviewChartProps) {
  const t = useT();
  const { format } = useLocale();
  const calls = seriesValues(series, 'calls');
  const failed = seriesValues(series, 'failed');
  const fine = calls.map((value, at) => (value ?? 0) - (failed[at] ?? 0));
  const params = { project: String(project.id) };
  const navigate = useNavigate();
  const { times, bucketMs } = useAxis();
  const openFailed = (at: number) => {
    const start = times[at];
    if (start === undefined || !((failed[at] ?? 0) > 0)) return;
    const range = { last: undefined, from: new Date(start).toISOString(), to: new Date(start + bucketMs).toISOString() };
    void navigate({ to: '/p/$project/traces', params, search: { ...failedCallsSearch(q), ...range } });
  };
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.calls')}</h2>
        <span className="section-note">{t('overview.perBucket', { width })}</span>
      </div>
      <StackChart
        name={t('overview.calls')}
        whole
        series={[
          { key: 'ok', color: 'var(--plot)', values: fine },
          { key: 'failed', color: 'var(--error)', values: failed, onOpen: openFailed, openTitle: t('overview.showFailedCalls') },
        ]}
        mark={(value) => format.tokens(value)}
        flag={(sum, at) =>
          (failed[at] ?? 0) > 0
            ? [{ n: format.count(sum) }, { n: `· ${format.count(failed[at] ?? 0)}`, u: t('overview.failedSeries') }]
            : [{ n: format.count(sum) }]
        }
        wantedTicks={3}
        room={36}
      />
      <div className="chart-legend">
        <span>
          <Swatch color="var(--plot)" />
          {t('overview.ok')} <b>{format.count(summary.llm_calls - summary.failed_llm_calls)}</b>
        </span>
        {summary.failed_llm_calls > 0 ? (
          <Link to="/p/$project/traces" params={params} search={failedCallsSearch(q)}>
            <Swatch color="var(--error)" />
            <span className="text-link">{t('overview.failedSeries')}</span>{' '}
            <b className="text-error">{format.count(summary.failed_llm_calls)}</b>
          </Link>
        ) : (
          <span>
            <Swatch color="var(--error)" />
            {t('overview.failedSeries')} <b>{format.count(0)}</b>
          </span>
        )}
        <Link to="/p/$project/issues" params={params} search={{ q }}>
          <span className="text-link">{t('overview.errors')}</span> <b>{format.count(summary.errors)}</b>
        </Link>
      </div>
    </div>
  );
}

function LatencyChart({ summary, series }: OverviewChartProps) {
  const t = useT();
  const { format } = useLocale();
  const { p50, p95, p99 } = summary.duration_ms;
  const p95s = seriesValues(series, 'duration_p95');
  const largest = Math.max(0, ...p95s.map((value) => value ?? 0));
  const inSeconds = largest >= 1000;
  const value = (ms: number | null) => (ms === null ? <UnknownValue /> : <NumberWithUnit v={format.duration(ms)} />);
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.latency')}</h2>
        <span className="section-note">{inSeconds ? 's' : 'ms'}</span>
      </div>
      <LineChart
        name={t('overview.latency')}
        band
        series={[
          { key: 'p95', label: 'p95', color: 'var(--ink)', values: p95s },
          { key: 'p50', label: 'p50', color: 'var(--plot)', dashed: true, values: seriesValues(series, 'duration_p50') },
        ]}
        mark={(ms) => [{ n: String(Number((inSeconds ? ms / 1000 : ms).toPrecision(3))) }]}
        flag={(at) => {
          const ms = p95s[at];
          return ms === null || ms === undefined ? null : format.duration(ms);
        }}
        wantedTicks={3}
        room={30}
      />
      <div className="chart-legend">
        <span>
          <i className="chart-legend-line chart-legend-dashed" />
          p50 <b>{value(p50)}</b>
        </span>
        <span>
          <i className="chart-legend-line" />
          p95 <b>{value(p95)}</b>
        </span>
        <span>
          p99 <b>{value(p99)}</b>
        </span>
      </div>
    </div>
  );
}

const KINDS = [
  ['cache_read_tokens', 'var(--c2)', 'overview.cacheRead'],
  ['new_input_tokens', 'var(--c5)', 'overview.newInput'],
  ['cache_write_tokens', 'var(--c3)', 'overview.cacheWrite'],
  ['output_tokens', 'var(--c4)', 'overview.output'],
] as const;

function TokensChart({ summary, series, width }: OverviewChartProps) {
  const t = useT();
  const { format } = useLocale();
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{t('overview.tokensByKind')}</h2>
        <span className="section-note">{t('overview.perBucket', { width })}</span>
      </div>
      <StackChart
        name={t('overview.tokensByKind')}
        whole
        series={KINDS.map(([field, color]) => ({ key: field, color, values: seriesValues(series, field) }))}
        mark={(value) => {
          const [piece] = format.tokens(value);
          return piece ? [{ ...piece, n: piece.n.replace(/[.,]0+$/, '') }] : [];
        }}
        flag={(value) => format.tokens(value)}
        wantedTicks={3}
      />
      <div className="chart-legend">
        {KINDS.map(([field, color, label]) => (
          <span key={field}>
            <Swatch color={color} />
            {t(label)}{' '}
            <b>
              <NumberWithUnit v={format.tokens(summary[field])} />
            </b>
          </span>
        ))}
      </div>
    </div>
  );
}
