import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { memo, useMemo, type ReactNode } from 'react';
import { tracesQuery } from '../../api/queries';
import type { TraceSummary } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { StatusGlyph } from '../../components/icons';
import { Chip, Duration, UserText } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { useTraceView } from './context';
import { compareToMedian, isUntelling } from './pace';

const WEEK_MS = 7 * 86_400_000;
/** As many earlier runs as dots can be told apart. */
const MAX_RUNS = 50;
/** Fewer say nothing about what is usual. */
const MIN_RUNS = 5;
const MAX_LISTED = 5;

/** Is that normal? The trace beside the earlier runs of its pipeline. */
export const EarlierRuns = memo(function Kin() {
  const t = useT();
  const { project, data, tree } = useTraceView();
  const { trace } = data;
  const failed = trace.status !== 'ok' || trace.failed_llm_calls > 0;
  const pipeline = trace.pipeline ?? tree.nodes.find(({ span }) => span.pipeline !== null)?.span.pipeline ?? null;
  const start = Date.parse(trace.start_time);
  const q = pipeline === null ? '' : fieldTerm('pipeline', pipeline);
  const scope = { from: new Date(start - WEEK_MS).toISOString(), to: new Date(start).toISOString(), q };
  const { data: answer } = useQuery({
    ...tracesQuery(project.id, scope, '-start_time', MAX_RUNS),
    enabled: pipeline !== null,
    meta: { live: false },
    staleTime: Infinity,
    placeholderData: undefined,
  });
  const earlier = useMemo(() => (answer?.traces ?? []).filter((one) => one.trace_id !== trace.trace_id), [answer, trace]);
  const { format } = useLocale();
  if (pipeline === null || earlier.length < MIN_RUNS) return null;
  const tracesLink = {
    to: '/p/$project/traces' as const,
    params: { project: String(project.id) },
    search: { q, last: undefined, from: scope.from, to: new Date(start + trace.duration_ms + 1).toISOString() },
  };
  return (
    <>
      <section className="trace-section">
        <div className="section-head">
          <h2>{t('trace.earlierRuns.title')}</h2>
          <span className="section-note">
            {t(answer?.next_cursor ? 'trace.earlierRuns.newest' : 'trace.earlierRuns.count', { n: earlier.length, name: pipeline })}
          </span>
          <span className="trace-runs-legend text-dim" aria-hidden="true">
            <i className="trace-dot-this-run" />
            {t('trace.earlierRuns.thisRun')}
            <i className="trace-dot-earlier" />
            {t('trace.earlierRuns.earlier')}
            <i className="trace-dot-median" />
            {t('trace.median')}
          </span>
        </div>
        <RunComparison
          label="trace.duration"
          mine={trace.duration_ms}
          others={earlier.map(({ duration_ms: ms }) => ms)}
          // The page has one answer to what is usual.
          usual={tree.byId.get(trace.root_span_id ?? '')?.span.compared?.median_ms}
          write={(ms) => <Duration ms={ms} />}
          failed={failed}
          verdicts={{ less: 'trace.earlierRuns.faster', more: 'trace.earlierRuns.slower', good: true }}
        />
        {trace.llm_calls > 0 && (
          <RunComparison
            label="trace.outputTokens"
            mine={trace.output_tokens}
            others={earlier.filter((one) => one.calls_without_usage === 0).map(({ output_tokens: n }) => n)}
            write={(n) => format.count(n)}
            failed={failed}
            verdicts={{ less: 'trace.earlierRuns.fewer', more: 'trace.earlierRuns.more' }}
          />
        )}
        {trace.cost !== null && (
          <RunComparison
            label="trace.cost"
            mine={trace.cost}
            others={earlier.flatMap(({ cost }) => (cost === null ? [] : [cost]))}
            write={format.money}
            failed={failed}
            verdicts={{ less: 'trace.earlierRuns.cheaper', more: 'trace.earlierRuns.moreExpensive' }}
          />
        )}
      </section>
      <section className="trace-section">
        <div className="section-head">
          <h2>{t('trace.earlierRuns.list')}</h2>
          <span className="section-note">{t('trace.earlierRuns.newestFirst')}</span>
          <Link className="section-link" {...tracesLink}>
            {t('trace.earlierRuns.all')}
          </Link>
        </div>
        <table className="data-table">
          <tbody>
            {earlier.slice(0, MAX_LISTED).map((one) => (
              <EarlierRun key={one.trace_id} run={one} project={project.id} />
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
});

function EarlierRun({ run, project }: { run: TraceSummary; project: number }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <tr>
      <td className="trace-column-minimal">
        <StatusGlyph status={run.status} />
      </td>
      <td className="text-dim column-optional">{format.moment(run.start_time)}</td>
      <td className="column-grow">
        <Link
          to="/p/$project/traces/$trace"
          params={{ project: String(project), trace: run.trace_id }}
          search={{ at: run.start_time }}
          className="ellipsis"
        >
          <UserText text={run.input_preview ?? run.name} />
        </Link>
      </td>
      <td className="numeric">
        <Duration ms={run.duration_ms} />
      </td>
      <td className="numeric column-optional">
        {run.llm_calls > 0 && run.total_tokens > 0 && (
          <>
            {format.count(run.total_tokens)} <span className="text-dim">{t('trace.tokensUnit')}</span>
          </>
        )}
      </td>
      <td className="numeric">
        {run.cost === null ? (
          <span className="text-dim">–</span>
        ) : (
          <span title={format.moneyExact(run.cost)}>{format.money(run.cost)}</span>
        )}
      </td>
    </tr>
  );
}

interface RunComparisonProps {
  label: TextKey;
  mine: number;
  others: number[];
  /** Their median, where it is known of more of them. */
  usual?: number;
  write: (value: number) => ReactNode;
  /** A run that failed early is neither a fast nor a cheap one. */
  failed: boolean;
  verdicts: { less: TextKey; more: TextKey; good?: boolean };
}

/** The middle of some figures. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** One measure: each earlier run is a dot, this one is the black one. */
function RunComparison({ label, mine, others, usual, write, failed, verdicts }: RunComparisonProps) {
  const t = useT();
  const { format } = useLocale();
  if (others.length < MIN_RUNS) return null;
  const median = usual ?? medianOf(others);
  const most = Math.max(mine, median, ...others) * 1.06;
  const place = (value: number) => `${most > 0 ? (value / most) * 100 : 0}%`;
  const pace = compareToMedian(mine, median);
  const percent = median > 0 ? Math.round(Math.abs(mine / median - 1) * 100) : 0;
  const tone = verdicts.good ? (pace.kind === 'faster' ? 'good' : 'warning') : undefined;
  return (
    <div className="trace-comparison">
      <span className="trace-comparison-label">{t(label)}</span>
      <span className="numeric trace-comparison-value">{write(mine)}</span>
      <span className="trace-comparison-track" aria-hidden="true">
        {others.map((value, at) => (
          <i key={at} style={{ left: place(value) }} />
        ))}
        <u style={{ left: place(median) }} />
        <s style={{ left: place(mine) }} />
      </span>
      <span className="text-dim trace-comparison-median">
        {t('trace.median')} {write(median)}
      </span>
      <span className="trace-comparison-verdict">
        {isUntelling(pace, failed) ? null : pace.kind === 'same' ? (
          <Chip>{t('trace.earlierRuns.asUsual')}</Chip>
        ) : (
          <Chip tone={tone}>
            {pace.kind === 'times'
              ? t('trace.earlierRuns.timesMedian', { times: format.threeDigits(pace.times) })
              : t(pace.kind === 'faster' ? verdicts.less : verdicts.more, { percent })}
          </Chip>
        )}
      </span>
    </div>
  );
}
