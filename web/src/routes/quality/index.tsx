import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { scoreSeriesQuery, scoreSummaryQuery } from '../../api/scores';
import type { ScoreSummary } from '../../api/types';
import { Sparkline } from '../../charts/sparkline';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { UnknownValue, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { Definitions } from './definitions';
import { QualityNav } from './quality-nav';
import { scoreFilter } from './score-filter';
import './quality.css';

/** A range that ends now slides on, also when nothing comes in. */
const SLIDE_MS = 60_000;

/** How answers were judged: one row for each score. */
export default function Quality() {
  const t = useT();
  usePageTitle(t('quality.title'));
  const project = useProject();
  const range = useRange();
  const { data, error, isPending, refetch } = useQuery({ ...scoreSummaryQuery(project.id, range.span), refetchInterval: SLIDE_MS });
  return (
    <div className="quality-page">
      <QualityNav />
      <h1 className="visually-hidden">{t('quality.title')}</h1>
      {error && !data && (
        <div className="pane sheet">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {isPending && (
        <div className="pane sheet">
          <Skeleton rows={6} height={36} />
        </div>
      )}
      {data && data.scores.length === 0 && (
        <EmptyState
          title={t('quality.none')}
          action={
            <Link className="button" to="/p/$project/setup" params={{ project: String(project.id) }}>
              {t('nav.setup')}
            </Link>
          }
        >
          {t('quality.noneWhy')}
        </EmptyState>
      )}
      {data && data.scores.length > 0 && (
        <section className="pane sheet">
          <div className="section-head">
            <h2>{t('quality.scores')}</h2>
            <span className="section-note">{t('quality.intervals')}</span>
          </div>
          <ScoreTable scores={data.scores} />
        </section>
      )}
      {data && <Definitions project={project.id} />}
    </div>
  );
}

function ScoreTable({ scores }: { scores: ScoreSummary[] }) {
  const t = useT();
  const { format } = useLocale();
  const project = useProject();
  const percent = (share: number) => `${format.percentText(share)} %`;
  const columns: Column<ScoreSummary>[] = [
    {
      key: 'name',
      head: t('quality.score'),
      grow: true,
      cell: (score) => (
        <Link to="/p/$project/traces" params={{ project: String(project.id) }} search={(was) => ({ ...was, q: scoreFilter(score) })}>
          <UserText text={score.name} />
        </Link>
      ),
    },
    { key: 'trend', head: t('quality.trend'), optional: true, cell: (score) => <Trend score={score} /> },
    { key: 'n', head: t('quality.number'), num: true, cell: (score) => format.count(score.n) },
    {
      key: 'mean',
      head: t('quality.mean'),
      num: true,
      cell: (score) =>
        score.mean === null ? (
          <Labels score={score} />
        ) : (
          <Figure value={score.mean} low={score.mean_low} high={score.mean_high} before={score.previous_mean} write={(value) => format.threeDigits(value)} />
        ),
    },
    {
      key: 'bad',
      head: t('quality.bad'),
      num: true,
      cell: (score) =>
        score.bad_rate === null ? (
          <span className="text-dim">{t('quality.notDefined')}</span>
        ) : (
          <Figure value={score.bad_rate} low={score.bad_low} high={score.bad_high} before={score.previous_bad_rate} write={percent} />
        ),
    },
    {
      key: 'sources',
      head: t('quality.sources'),
      optional: true,
      cell: (score) => score.sources.map(({ source, n }) => `${t(`score.source.${source}`)} ${format.count(n)}`).join(', '),
    },
  ];
  return <Table label={t('quality.scores')} columns={columns} rows={scores} rowKey={(score) => score.name} />;
}

interface FigureProps {
  value: number;
  low: number | null;
  high: number | null;
  before: number | null;
  write: (value: number) => string;
}

/** A figure, its 95 % interval, and what it was in the period before. */
function Figure({ value, low, high, before, write }: FigureProps) {
  const t = useT();
  return (
    <span className="quality-figure">
      <b>{write(value)}</b>
      {low !== null && high !== null && (
        <span className="text-dim">
          {write(low)}–{write(high)}
        </span>
      )}
      {before !== null && <span className="text-dim">{t('quality.before', { value: write(before) })}</span>}
    </span>
  );
}

function Labels({ score }: { score: ScoreSummary }) {
  const { format } = useLocale();
  if (score.labels.length === 0) return <UnknownValue />;
  return (
    <span className="quality-labels">
      {score.labels.slice(0, 3).map(({ label, n }) => (
        <span key={label}>
          <span className="quality-label-count">{format.count(n)}</span>
          <span className="ellipsis" title={label}>
            <UserText text={label} />
          </span>
        </span>
      ))}
    </span>
  );
}

function Trend({ score }: { score: ScoreSummary }) {
  const project = useProject();
  const range = useRange();
  const { data } = useQuery({ ...scoreSeriesQuery(project.id, range.span, range.bucket, score.name), enabled: score.mean !== null });
  const points = data?.groups[0]?.points ?? [];
  return score.mean === null || points.length < 2 ? null : <Sparkline values={points.map(([, value]) => value)} />;
}
