import { Link, type LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Project, SeriesAnswer, Summary } from '../../api/types';
import { Sparkline } from '../../charts';
import { MINUS, plain, type Change, type Pieces } from '../../format';
import { useT } from '../../i18n';
import { EstimatedMark, NumberWithUnit, UnknownValue } from '../../components/values';
import { useLocale } from '../../locale';
import { errorRateTarget, failedCallsSearch } from './failed-calls';
import { seriesValues } from './series';

interface KeyFigureProps {
  label: string;
  value: ReactNode;
  aside: ReactNode;
  /** Where the figure leads. */
  link?: LinkProps | undefined;
  children: ReactNode;
}

function KeyFigure({ label, value, aside, link, children }: KeyFigureProps) {
  const content = (
    <>
      <div className="overview-figure-label">{label}</div>
      <div className="overview-figure-value">{value}</div>
      {aside}
      <div className="overview-figure-note">{children}</div>
    </>
  );
  return link ? (
    <Link className="overview-figure" {...link}>
      {content}
    </Link>
  ) : (
    <div className="overview-figure">{content}</div>
  );
}

interface ChangeFromPreviousProps {
  /** Null where there was nothing before; undefined while that is not known. */
  change: Change | null | undefined;
  unit?: string;
  /** Whether more is worse: only then is it coloured. */
  worse?: boolean;
  from?: string | null;
  /** Data begins within the period before: a change against a part of it says nothing. */
  partial?: boolean;
}

function ChangeFromPrevious({ change, unit, worse = false, from, partial = false }: ChangeFromPreviousProps) {
  const t = useT();
  if (change === undefined) return '\u00a0';
  if (change === null) return <span className="text-dim">{t('overview.noPreviousPeriod')}</span>;
  const tone = worse && change.notable ? (change.grew ? 'change-figure is-worse' : 'change-figure is-better') : 'change-figure';
  const said = partial ? null : change.text;
  return (
    <>
      {said && (
        <span className={tone}>
          {said.n}
          {(said.u ?? unit) && ` ${said.u ?? unit}`}
        </span>
      )}
      {from && ` ${t('overview.from', { value: from })}`}
      {partial && <span className="text-dim">{` · ${t('overview.partialPreviousPeriod')}`}</span>}
    </>
  );
}

interface KeyFiguresProps {
  project: Project;
  q: string | undefined;
  now: Summary;
  before: Summary | undefined;
  /** Whether data begins only within the period before. */
  partial: boolean;
  series: SeriesAnswer | undefined;
  stale: boolean;
}

const TOKEN_KINDS = [
  ['new_input_tokens', 'var(--c5)', 'overview.newInput'],
  ['cache_read_tokens', 'var(--c2)', 'overview.cacheRead'],
  ['cache_write_tokens', 'var(--c3)', 'overview.cacheWrite'],
  ['output_tokens', 'var(--c4)', 'overview.output'],
] as const;

export function KeyFigures({ project, q, now, before, partial, series, stale }: KeyFiguresProps) {
  const t = useT();
  const { format } = useLocale();
  const rate = (of: Summary) => (of.llm_calls === 0 ? 0 : of.failed_llm_calls / of.llm_calls);
  const allTokens = (of: Summary) => of.input_tokens + of.output_tokens;
  const had = before && before.llm_calls > 0 ? before : null;
  const against = (value: number | null, get: (of: Summary) => number | null) =>
    before === undefined ? undefined : format.change(value, had && get(had));

  const p95 = now.duration_ms.p95;
  const p95Before = had?.duration_ms.p95 ?? null;
  const p95Change = against(p95, (of) => of.duration_ms.p95);
  // A difference of durations says more than their ratio.
  const p95Text: Pieces = p95 !== null && p95Before !== null ? format.duration(Math.abs(p95 - p95Before)) : [];
  const p95Sign = p95 !== null && p95Before !== null && p95 < p95Before ? MINUS : '+';

  const secondCurrency = format.secondCurrency(now.cost, project.currency);
  const missing = now.unpriced_calls;
  const params = { project: String(project.id) };
  const errorTarget = errorRateTarget(now);
  const errorLinks: Record<NonNullable<typeof errorTarget>, LinkProps> = {
    calls: { to: '/p/$project/traces', params, search: failedCallsSearch(q) },
    issues: { to: '/p/$project/issues', params, search: { q } },
  };

  return (
    <section
      className={`columns overview-figures sheet${stale ? ' is-stale' : ''}`}
      aria-busy={stale || undefined}
      aria-label={t('overview.title')}
    >
      <KeyFigure
        label={t('overview.llmCalls')}
        value={format.count(now.llm_calls)}
        aside={<Sparkline values={seriesValues(series, 'calls')} />}
      >
        <ChangeFromPrevious
          partial={partial}
          change={against(now.llm_calls, (of) => of.llm_calls)}
          from={had && format.count(had.llm_calls)}
        />
      </KeyFigure>
      <KeyFigure label={t('overview.runs')} value={format.count(now.runs)} aside={<Sparkline values={seriesValues(series, 'runs')} />}>
        <ChangeFromPrevious partial={partial} change={against(now.runs, (of) => of.runs)} from={had && format.count(had.runs)} />
      </KeyFigure>
      <KeyFigure
        label={t('overview.failed')}
        link={errorTarget === null ? undefined : errorLinks[errorTarget]}
        value={
          now.llm_calls === 0 ? (
            '–'
          ) : (
            <span className={now.failed_llm_calls > 0 ? 'text-error' : undefined}>
              <NumberWithUnit v={format.percent(rate(now))} />
            </span>
          )
        }
        aside={<Sparkline bad values={seriesValues(series, 'failed')} />}
      >
        {had && !partial && now.llm_calls > 0 && (
          <>
            <ChangeFromPrevious worse change={format.pointsChange(rate(now), rate(had))} unit={t('overview.points')} />
            {' · '}
          </>
        )}
        {errorTarget === 'issues' ? (
          <span className="text-link">{t('overview.errorEvents', { n: format.count(now.errors) })}</span>
        ) : (
          <span className={errorTarget ? 'text-link' : undefined}>
            {t('overview.failedCalls', { n: format.count(now.failed_llm_calls) })}
          </span>
        )}
      </KeyFigure>
      <KeyFigure
        label={t('overview.cost')}
        value={
          now.cost === null ? (
            <UnknownValue />
          ) : (
            <>
              <span title={format.moneyExact(now.cost)}>
                {now.estimated_calls > 0 && <EstimatedMark calls={now.estimated_calls} />}
                {format.money(now.cost)}
              </span>
              {secondCurrency && <span className="unit overview-second-currency"> {secondCurrency}</span>}
            </>
          )
        }
        aside={<Sparkline values={seriesValues(series, 'cost')} />}
      >
        {now.cost !== null && (
          <ChangeFromPrevious
            worse
            partial={partial}
            change={against(now.cost, (of) => of.cost)}
            from={had?.cost ? format.money(had.cost) : null}
          />
        )}
        {missing > 0 && <span className="text-warning">{` · ${t('overview.unpricedNote', { n: format.count(missing) })}`}</span>}
      </KeyFigure>
      <KeyFigure
        label={t('overview.tokens')}
        value={<NumberWithUnit v={format.tokens(allTokens(now))} />}
        aside={
          <div className="overview-token-bar" aria-hidden="true">
            {TOKEN_KINDS.map(([field, color, label]) =>
              now[field] > 0 ? (
                <i
                  key={field}
                  style={{ flexGrow: now[field], background: color }}
                  title={`${t(label)} ${plain(format.tokens(now[field]))}`}
                />
              ) : null,
            )}
          </div>
        }
      >
        <ChangeFromPrevious
          partial={partial}
          change={against(allTokens(now), allTokens)}
          from={had && plain(format.tokens(allTokens(had)))}
        />
        {now.input_tokens > 0 &&
          ` · ${t('overview.cached', { rate: `${format.fixed((now.cache_read_tokens / now.input_tokens) * 100, 0)} %` })}`}
      </KeyFigure>
      <KeyFigure
        label={t('overview.p95')}
        value={p95 === null ? '–' : <NumberWithUnit v={format.duration(p95)} />}
        aside={<Sparkline values={seriesValues(series, 'duration_p95')} />}
      >
        <ChangeFromPrevious
          worse
          partial={partial}
          change={p95Change && { ...p95Change, text: { n: `${p95Sign}${plain(p95Text)}`, u: '' } }}
          from={p95Before === null ? null : plain(format.duration(p95Before))}
        />
      </KeyFigure>
    </section>
  );
}
