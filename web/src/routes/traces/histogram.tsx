import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import { seriesQuery, summaryQuery, type Scope } from '../../api/queries';
import { ChartGroup, StackChart } from '../../charts';
import { useT } from '../../i18n';
import { Swatch } from '../../components/values';
import { BUCKET_MS } from '../../range';
import { useRange, useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import type { RowKind } from './list-pages';

interface HistogramProps {
  project: number;
  scope: Scope;
  of: RowKind;
  onOf: (of: RowKind) => void;
  /** What can be done with the list, at the end of its head. */
  children?: ReactNode;
}

/** How many there are, when, and which of them failed. Dragging over it narrows the range. */
export function Histogram({ project, scope, of, onOf, children }: HistogramProps) {
  const t = useT();
  const navigate = useNavigate();
  const range = useRange();
  const { format } = useLocale();
  // Each list has the filter's own meaning, and so have the figures above it.
  const ofTraces = useQuery(summaryQuery(project, scope, 'traces')).data;
  const ofSpans = useQuery(summaryQuery(project, scope)).data;
  const summary = of === 'traces' ? ofTraces : ofSpans;
  const measures = of === 'traces' ? (['calls', 'failed'] as const) : (['spans', 'calls'] as const);
  const series = useQuery(seriesQuery(project, scope, range.bucket, measures, undefined, of));
  const points = (measure: 'calls' | 'failed' | 'spans') => series.data?.measures[measure]?.[0]?.points ?? [];
  const main = points(of === 'traces' ? 'calls' : 'spans');
  const failed = of === 'traces' ? points('failed') : [];
  const times = useMemo(() => main.map(([at]) => Date.parse(at)), [main]);
  const setRange = (from: number, to: number) =>
    void navigate({
      to: '.',
      search: (was) => ({ ...was, last: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
    });
  const what =
    of === 'traces'
      ? t('traces.callsPer', { width: timeLengthText(t, range.bucket) })
      : t('traces.spansPer', { width: timeLengthText(t, range.bucket) });
  return (
    <div className="traces-histogram">
      <div className="traces-summary">
        <div className="segmented" role="group" aria-label={t('traces.rowKind')}>
          {(['traces', 'spans'] as const).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={of === one}
              className={of === one ? 'is-selected' : undefined}
              onClick={() => onOf(one)}
            >
              {t(one === 'traces' ? 'traces.title' : 'traces.spans')}
              {ofTraces && ofSpans && <span className="text-dim">{format.count(one === 'traces' ? ofTraces.traces : ofSpans.spans)}</span>}
            </button>
          ))}
        </div>
        {summary && (
          <span className="text-dim traces-summary-facts">
            {summary.failed_llm_calls > 0 && (
              <span className="text-error">{t('traces.failedCalls', { n: format.count(summary.failed_llm_calls) })}</span>
            )}
            {summary.errors > 0 && <span>{t('traces.errors', { n: format.count(summary.errors) })}</span>}
            {summary.cost !== null && summary.llm_calls > 0 && (
              <span>
                {format.money(summary.cost)}
                {summary.unpriced_calls > 0 && ` ${t('traces.unpricedNote', { n: format.count(summary.unpriced_calls) })}`}
              </span>
            )}
          </span>
        )}
        <span className="spacer" />
        <span className="chart-legend">
          <span>{what}</span>
          {of === 'traces' && (
            <>
              <span>
                <Swatch color="var(--plot)" />
                {t('status.ok')}
              </span>
              <span>
                <Swatch color="var(--error)" />
                {t('traces.failed')}
              </span>
            </>
          )}
        </span>
        {children}
      </div>
      {series.data && (
        <div className={series.isPlaceholderData ? 'is-stale' : undefined} aria-busy={series.isPlaceholderData || undefined}>
          <ChartGroup times={times} bucketMs={BUCKET_MS[series.data.bucket]} filling={range.last !== null} onRange={setRange}>
            <StackChart
              name={what}
              whole
              lines={1}
              height={74}
              room={34}
              wantedTicks={8}
              series={[
                {
                  key: 'ok',
                  color: 'var(--hist)',
                  values: main.map(([, n], at) => (n === null ? null : Math.max(0, n - (failed[at]?.[1] ?? 0)))),
                },
                { key: 'failed', color: 'var(--error)', values: failed.map(([, n]) => n) },
              ]}
              mark={(value) => format.tokens(value)}
              flag={(value, at) => [
                { n: format.count(value) },
                ...((failed[at]?.[1] ?? 0) > 0 ? [{ n: t('traces.failedOf', { n: format.count(failed[at]?.[1] ?? 0) }) }] : []),
              ]}
            />
          </ChartGroup>
        </div>
      )}
    </div>
  );
}
