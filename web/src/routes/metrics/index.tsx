import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { metricSeriesQuery, metricsQuery } from '../../api/queries';
import type { Metric, MetricMeasure } from '../../api/types';
import { ChartGroup, LineChart, StackChart } from '../../charts';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { MenuChoice, Menu } from '../../components/menu';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table } from '../../components/table';
import { Age, NumberWithUnit, UserText, Swatch, UnknownValue } from '../../components/values';
import { useProject } from '../../project';
import { BUCKET_MS } from '../../range';
import { useRange, useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { usePageTitle } from '../../shell/page-title';
import { isAdditive, selectedMetric, groupByPrefix, metricId, chartSeriesOf, MAX_SERIES, type ChartSeries } from './chart-series';
import { unitText, valueFormatter, type FormatValue } from './units';
import './metrics.css';

/** A range that ends now slides on, also when nothing comes in. */
const SLIDE_MS = 60_000;

const FROM = '/app/p/$project/metrics' as const;

/** What programs measure of themselves, beside their spans. */
export default function Metrics() {
  const t = useT();
  usePageTitle(t('metrics.title'));
  const project = useProject();
  const range = useRange();
  const { metric: wanted } = useSearch({ from: FROM });
  const list = useQuery({ ...metricsQuery(project.id, range.span), refetchInterval: SLIDE_MS });
  const metrics = list.data?.metrics ?? [];
  const metric = selectedMetric(wanted, metrics, metricId);
  return (
    <>
      <h1 className="visually-hidden">{t('metrics.title')}</h1>
      {list.error && !list.data && (
        <div className="pane sheet">
          <ErrorMessage error={list.error} onRetry={() => void list.refetch()} />
        </div>
      )}
      {list.isPending && (
        <div className="pane sheet">
          <Skeleton rows={10} height={28} />
        </div>
      )}
      {list.data && !metric && (
        <EmptyState
          title={t('metrics.noMetrics')}
          action={
            <Link className="button" to="/p/$project/setup" params={{ project: String(project.id) }}>
              {t('nav.setup')}
            </Link>
          }
        >
          {t('metrics.noMetricsWhy')}
        </EmptyState>
      )}
      {metric && (
        <div className="metrics-page sheet">
          <MetricNames metrics={metrics} chosen={metric} />
          <MetricCard key={metricId(metric)} metric={metric} />
        </div>
      )}
    </>
  );
}

function MetricNames({ metrics, chosen }: { metrics: Metric[]; chosen: Metric }) {
  const t = useT();
  const project = useProject();
  const [words, setWords] = useState('');
  const found = groupByPrefix(metrics, words);
  return (
    <nav className="metrics-names" aria-label={t('metrics.title')}>
      <label className="metrics-search">
        <Icon name="search" size="small" />
        <input
          type="search"
          value={words}
          placeholder={t('metrics.search')}
          aria-label={t('metrics.search')}
          onChange={(event) => setWords(event.target.value)}
        />
      </label>
      {found.map(([family, list]) => (
        <ul key={family}>
          {list.map((metric) => {
            const here = metricId(metric) === metricId(chosen);
            return (
              <li key={metricId(metric)}>
                <Link
                  to="/p/$project/metrics"
                  params={{ project: String(project.id) }}
                  search={(was) => ({ ...was, metric: metricId(metric), measure: undefined, by: undefined })}
                  className={here ? 'is-selected' : undefined}
                  aria-current={here ? 'true' : undefined}
                  title={metric.description || undefined}
                >
                  <span>{metric.name}</span>
                  <em>{unitText(metric.unit)}</em>
                </Link>
              </li>
            );
          })}
        </ul>
      ))}
      {found.length === 0 && <p className="empty-note">{t('metrics.notFound')}</p>}
    </nav>
  );
}

function MetricCard({ metric }: { metric: Metric }) {
  const t = useT();
  const { format } = useLocale();
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { measure: wanted, by } = useSearch({ from: FROM });
  const measure = metric.measures.find((one) => one === wanted) ?? metric.measures[0] ?? 'increase';
  const known = [...metric.attributes, ...metric.reporter_attributes];
  const group = by !== undefined && known.includes(by) ? by : undefined;
  const all = useQuery({ ...metricSeriesQuery(project.id, range.span, range.bucket, metric, metric.measures), refetchInterval: SLIDE_MS });
  const grouped = useQuery({
    ...metricSeriesQuery(project.id, range.span, range.bucket, metric, [measure], group),
    refetchInterval: SLIDE_MS,
    enabled: group !== undefined,
  });
  const shown = group === undefined ? all : grouped;
  const setSearch = (patch: { measure?: string; by?: string }) =>
    void navigate({ to: '.', search: (was) => ({ ...was, ...patch }), replace: true });
  const setRange = useCallback(
    (from: number, to: number) =>
      void navigate({
        to: '.',
        search: (was) => ({ ...was, last: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
      }),
    [navigate],
  );
  const groups = useMemo(() => shown.data?.measures[measure] ?? [], [shown.data, measure]);
  const lines = useMemo(() => chartSeriesOf(groups, t('common.noValue')), [groups, t]);
  const times = useMemo(() => groups[0]?.points.map(([at]) => Date.parse(at)) ?? [], [groups]);
  const write = valueFormatter(metric, measure, format);
  return (
    <section className="pane metrics-card" aria-label={metric.name}>
      <div className="section-head">
        <h2>{metric.name}</h2>
        <span className="section-note">
          {t(`metrics.kind.${metric.kind}`)}
          {unitText(metric.unit) && ` · ${unitText(metric.unit)}`}
        </span>
      </div>
      {metric.description && (
        <p className="text-dim text-small">
          <UserText text={metric.description} />
        </p>
      )}
      <div className="metrics-tools">
        <div className="segmented" role="group" aria-label={t('metrics.measure')}>
          {metric.measures.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === measure}
              className={one === measure ? 'is-selected' : undefined}
              onClick={() => setSearch({ measure: one === metric.measures[0] ? undefined : one })}
            >
              {t(`metrics.measure.${one}`)}
            </button>
          ))}
        </div>
        <GroupByMenu metric={metric} group={group} onChange={(next) => setSearch({ by: next })} />
        <span className="spacer" />
        <span className="text-dim text-small">
          {t('metrics.series', { n: metric.series })} · {t('metrics.last')} <Age at={metric.last_at} />
        </span>
      </div>
      {shown.error && !shown.data && <ErrorMessage error={shown.error} onRetry={() => void shown.refetch()} />}
      {shown.isPending && <Skeleton rows={6} height={36} />}
      {shown.data && (
        <div className={shown.isPlaceholderData ? 'is-stale' : undefined} aria-busy={shown.isPlaceholderData || undefined}>
          <ChartGroup times={times} bucketMs={BUCKET_MS[shown.data.bucket]} filling={range.last !== null} onRange={setRange}>
            <MetricChart metric={metric} measure={measure} lines={lines} write={write} />
          </ChartGroup>
          <p className="text-dim text-small metrics-note">
            {t('metrics.perBucket', { width: timeLengthText(t, shown.data.bucket) })} {t('metrics.notInTotals')}
          </p>
          {group === undefined ? (
            <MetricTotals metric={metric} totals={metric.measures.map((one) => [one, all.data?.measures[one]?.[0]?.total ?? null])} />
          ) : (
            <MetricGroups name={group} measure={measure} lines={lines} write={write} leftOut={shown.data.groups_left_out} />
          )}
          {shown.data.series_left_out > 0 && (
            <p className="text-small text-warning">{t('metrics.seriesLeftOut', { n: format.count(shown.data.series_left_out) })}</p>
          )}
        </div>
      )}
    </section>
  );
}

function GroupByMenu({
  metric,
  group,
  onChange,
}: {
  metric: Metric;
  group: string | undefined;
  onChange: (by: string | undefined) => void;
}) {
  const t = useT();
  const options = [
    { value: '', label: t('metrics.all') },
    ...metric.attributes.map((name) => ({ value: name, label: name })),
    ...metric.reporter_attributes.map((name) => ({ value: name, label: name, end: t('metrics.reporter') })),
  ];
  return (
    <Menu
      label={t('metrics.by')}
      trigger={
        <button type="button" className="button">
          {group === undefined ? t('metrics.by') : t('metrics.byName', { name: group })}
          <Icon name="down" size="tiny" />
        </button>
      }
    >
      <MenuChoice value={group ?? ''} options={options} onChange={(value) => onChange(value || undefined)} />
    </Menu>
  );
}

interface MetricChartProps {
  metric: Metric;
  measure: MetricMeasure;
  lines: ChartSeries[];
  write: FormatValue;
}

function MetricChart({ metric, measure, lines, write }: MetricChartProps) {
  const t = useT();
  const name = `${metric.name}, ${t(`metrics.measure.${measure}`)}`;
  const shown = lines.slice(0, MAX_SERIES);
  const falls = shown.some(({ values }) => values.some((value) => value !== null && value < 0));
  if (isAdditive(measure) && !falls) {
    return <StackChart name={name} series={shown.toReversed()} mark={write} height={240} room={64} whole={measure === 'count'} />;
  }
  return <LineChart name={name} series={shown} mark={write} height={240} room={64} />;
}

function MetricTotals({ metric, totals }: { metric: Metric; totals: [MetricMeasure, number | null][] }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <dl className="metrics-totals">
      {totals.map(([measure, total]) => (
        <div key={measure}>
          <dt>{t(`metrics.measure.${measure}`)}</dt>
          <dd>{total === null ? <UnknownValue /> : <NumberWithUnit v={valueFormatter(metric, measure, format)(total)} />}</dd>
        </div>
      ))}
    </dl>
  );
}

interface MetricGroupsProps {
  name: string;
  measure: MetricMeasure;
  lines: ChartSeries[];
  write: FormatValue;
  leftOut: number;
}

function MetricGroups({ name, measure, lines, write, leftOut }: MetricGroupsProps) {
  const t = useT();
  const { format } = useLocale();
  return (
    <>
      <Table
        label={t('metrics.byName', { name })}
        rows={lines}
        rowKey={({ key }) => key}
        columns={[
          {
            key: 'name',
            head: name,
            grow: true,
            cell: ({ label, color }) => (
              <>
                <Swatch
                  color={
                    lines.length > MAX_SERIES && lines.findIndex((line) => line.label === label) >= MAX_SERIES ? 'var(--c-other)' : color
                  }
                />{' '}
                <UserText text={label} />
              </>
            ),
          },
          {
            key: 'total',
            head: t(`metrics.measure.${measure}`),
            num: true,
            cell: ({ total }) => (total === null ? <UnknownValue /> : <NumberWithUnit v={write(total)} />),
          },
        ]}
      />
      {lines.length > MAX_SERIES && <p className="text-dim text-small">{t('metrics.notDrawn', { n: MAX_SERIES })}</p>}
      {leftOut > 0 && <p className="text-dim text-small">{t('metrics.leftOut', { n: format.count(leftOut) })}</p>}
    </>
  );
}
