import { Link, useNavigate } from '@tanstack/react-router';
import type { FindingKindSummary, FindingSummary } from '../../api/types';
import { Sparkline } from '../../charts/sparkline';
import { Explanation, SeverityChip } from '../../components/findings';
import { explanationText } from '../../components/findings/explanation';
import { findingName, wastesCost } from '../../components/findings/labels';
import { Table, type Column } from '../../components/table';
import { UnknownValue, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { useProject } from '../../project';
import { BY_COST, changeOfKind, sortKinds } from './finding-figures';
import { placeOf } from './finding-place';

interface FindingKindsProps {
  summary: FindingSummary;
  /** The kind whose findings are shown below. */
  open: string | undefined;
  sort: string | undefined;
  stale: boolean;
}

/** The element that opens the findings of a kind. */
export const kindId = (kind: string) => `finding-kind-${kind}`;

/** One row for each kind of finding: how often, since when, at what cost, and where. */
export function FindingKinds({ summary, open, sort = BY_COST, stale }: FindingKindsProps) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const show = (kind: string) => ({ search: (was: object) => ({ ...was, kind }), resetScroll: false });
  const sum = (get: (kind: FindingKindSummary) => number) => format.count(summary.kinds.reduce((all, kind) => all + get(kind), 0));
  const columns: Column<FindingKindSummary>[] = [
    {
      key: 'kind',
      head: t('findings.kind'),
      cell: ({ kind, severity }) => (
        <Link
          to="."
          {...show(kind)}
          id={kindId(kind)}
          className="quality-kind"
          aria-expanded={kind === open}
          title={t('findings.open', { name: findingName(t, kind) })}
        >
          <span className="quality-kind-name">
            <b>{findingName(t, kind)}</b>
            <SeverityChip severity={severity} />
          </span>
          <span className="text-dim">{t(`finding.about.${kind}`)}</span>
        </Link>
      ),
      foot: t('findings.kinds', { n: summary.kinds.length }),
    },
    {
      key: 'findings',
      head: t('findings.count'),
      num: true,
      optional: true,
      sort: 'findings',
      cell: ({ findings }) => format.count(findings),
      foot: sum(({ findings }) => findings),
    },
    {
      key: 'traces',
      head: t('findings.traces'),
      num: true,
      sort: 'traces',
      cell: ({ traces }) => <b>{format.count(traces)}</b>,
      foot: format.count(summary.traces_with_findings),
    },
    {
      key: 'change',
      head: <span title={t('findings.changeWhy')}>{t('findings.change')}</span>,
      num: true,
      cell: (kind) => <ChangeFigure kind={kind} />,
    },
    { key: 'trend', head: t('findings.trend'), optional: true, cell: (kind) => <Trend kind={kind} /> },
    {
      key: 'wasted',
      head: <span title={t('findings.wastedWhy')}>{t('findings.wasted')}</span>,
      num: true,
      sort: 'wasted_cost',
      cell: (kind) => <WastedCost kind={kind} />,
      foot: <Cost usd={summary.wasted_cost} />,
    },
    {
      key: 'examples',
      head: t('findings.examples'),
      grow: true,
      optional: true,
      cell: (kind) => <Examples kind={kind} />,
    },
  ];
  return (
    <Table
      label={t('findings.byKind')}
      columns={columns}
      rows={sortKinds(summary.kinds, sort)}
      rowKey={({ detector, kind }) => `${detector} ${kind}`}
      onOpen={({ kind }) => void navigate({ to: '.', ...show(kind) })}
      isOpen={({ kind }) => kind === open}
      sort={sort}
      onSort={(next) => void navigate({ to: '.', search: (was) => ({ ...was, sort: next === BY_COST ? undefined : next }), resetScroll: false })}
      foot
      stale={stale}
      keys={open === undefined}
    />
  );
}

export function Cost({ usd }: { usd: number }) {
  const { format } = useLocale();
  return <span title={format.moneyExact(usd)}>{format.money(usd)}</span>;
}

/** Kinds that the definition of the wasted cost leaves out have a dash, which is not a zero. */
function WastedCost({ kind: { kind, wasted_cost: cost } }: { kind: FindingKindSummary }) {
  const t = useT();
  if (!wastesCost(kind) && !cost) {
    return (
      <span className="text-dim" title={t('findings.noWaste')}>
        –
      </span>
    );
  }
  return <b><Cost usd={cost} /></b>;
}

function ChangeFigure({ kind }: { kind: FindingKindSummary }) {
  const t = useT();
  const { format } = useLocale();
  const { previous_traces: before } = kind;
  const change = changeOfKind(format, kind);
  if (before === null) return <UnknownValue />;
  if (change === 'new') return <span className="change-figure is-worse">{t('findings.new')}</span>;
  const tone = change?.notable ? (change.grew ? ' is-worse' : ' is-better') : '';
  return (
    <span className="quality-figure">
      {change?.text && (
        <span className={`change-figure${tone}`}>
          {change.text.n} {change.text.u}
        </span>
      )}
      <span className="text-dim">{t('findings.before', { n: before })}</span>
    </span>
  );
}

function Trend({ kind }: { kind: FindingKindSummary }) {
  const { format } = useLocale();
  const change = changeOfKind(format, kind);
  const isWorse = change === 'new' || (change !== null && change.notable && change.grew);
  return kind.trend.length < 2 ? null : <Sparkline values={kind.trend.map(({ traces }) => traces)} bad={isWorse} />;
}

/** The newest example with its reason, and links to the others. */
function Examples({ kind: { examples } }: { kind: FindingKindSummary }) {
  const t = useT();
  const { format } = useLocale();
  const { id } = useProject();
  const [first, ...others] = examples;
  if (first === undefined) return null;
  return (
    <span className="quality-examples">
      <Link {...placeOf(id, first)} className="ellipsis">
        <Explanation of={first} />
      </Link>
      <span className="text-dim ellipsis">
        {[first, ...others].map((example, at) => (
          <span key={example.trace_id}>
            {at > 0 && ' · '}
            <Link {...placeOf(id, example)} title={explanationText(t, format.locale, example)}>
              {format.brief(example.timestamp)} {example.name === null ? t('findings.unnamed') : <UserText text={example.name} />}
            </Link>
          </span>
        ))}
      </span>
    </span>
  );
}
