import { useQuery } from '@tanstack/react-query';
import { FACTS } from '../../api/facts';
import { outcomesQuery, systemQuery } from '../../api/queries';
import type { Outcome, Project, Reason, ReasonGroup } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { HintList } from '../../components/hints';
import { useHints } from '../../components/hints/use-hints';
import { Icon, StatusGlyph } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { ErrorMessage } from '../../components/states';
import { usePermission } from '../../components/permission';
import { useLocale } from '../../locale';
import { categoryText } from '../system/labels';

const MAX_SHOWN = 6;
const POLL_MS = 3_000;
const LAST_DAY = { from: '-24h', to: 'now' };

/** What a person can do about the reasons of a group. Where a group has no words, the detail of the outcome says more. */
const GROUP_TEXT: Record<ReasonGroup, { why: TextKey; fix?: TextKey } | null> = {
  stored: null,
  repeated: null,
  not_kept: null,
  unknown_key: { why: 'setup.reason.unknownKey', fix: 'setup.fixDsn' },
  malformed_key: { why: 'setup.reason.malformedKey', fix: 'setup.fixDsn' },
  missing_key: { why: 'setup.reason.noKey', fix: 'setup.fixDsn' },
  wrong_key: null,
  key_limit: null,
  project_disabled: { why: 'setup.reason.disabled', fix: 'setup.fixDisabled' },
  unreadable: { why: 'setup.reason.unreadable' },
  unsupported: null,
  time: null,
  too_large: { why: 'setup.reason.tooLarge' },
  server_limit: null,
  unavailable: null,
  sampled: { why: 'setup.reason.sampled', fix: 'setup.fixSample' },
  client_limit: null,
  other: null,
};

/** Reasons of clients are any text, and not in this table. */
const REASON_FACTS: Partial<Record<string, { group: ReasonGroup }>> = FACTS.OutcomeReason satisfies Record<Reason, { group: ReasonGroup }>;

/** What arrives but is kept by nobody: an SDK that speaks, and says nothing of traces. */
const isWithoutSpans = ({ outcome, category }: Outcome) => outcome === 'dropped' && category === 'other';

/** `3b1d…77e0`: enough to find it in a configuration. */
const shortKey = (key: string) => (key.length > 12 ? `${key.slice(0, 4)}…${key.slice(-4)}` : key);

export function RecentOutcomes({ project, dsn }: { project: Project; dsn: string }) {
  const t = useT();
  const { data, error, refetch } = useQuery({ ...outcomesQuery(project.id, LAST_DAY), refetchInterval: POLL_MS });
  const { isAllowed } = usePermission('get /api/v1/system');
  // Without a valid key a request counts for no project; it may be the one that is being set up all the same.
  const { data: system } = useQuery({ ...systemQuery, refetchInterval: POLL_MS, enabled: isAllowed });
  const outcomes = [...(data?.outcomes ?? []), ...(system?.refused ?? [])]
    .toSorted((a, b) => b.last_at.localeCompare(a.last_at))
    .slice(0, MAX_SHOWN);
  return (
    <>
      <div className="section-head">
        <h2>{t('setup.recentRequests')}</h2>
        <span className="section-note">{t('setup.recentRequestsSince')}</span>
      </div>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      <ol className="setup-outcomes" aria-live="polite">
        {outcomes.map((outcome) => (
          <OutcomeItem key={[outcome.outcome, outcome.reason, outcome.category, outcome.key, outcome.sdk].join(' ')} outcome={outcome} />
        ))}
        <li>
          <StatusGlyph status="ok" />
          <div>
            <p>
              <b>{t('setup.ready')}</b>
            </p>
            <p className="setup-reason">
              <InlineCodeText text={t('setup.readyWhy', { host: new URL(dsn).host })} />
            </p>
          </div>
        </li>
      </ol>
      <SetupHints project={project} />
    </>
  );
}

/** What the clients of this project could do better. */
export function SetupHints({ project }: { project: Project }) {
  const t = useT();
  const hints = useHints(project.id, 4 * POLL_MS);
  if (!hints || hints.length === 0) return null;
  return (
    <>
      <div className="section-head">
        <h2>{t('hints.title')}</h2>
        <span className="section-note">{t('hints.why')}</span>
      </div>
      <HintList hints={hints} project={project} />
    </>
  );
}

function OutcomeItem({ outcome }: { outcome: Outcome }) {
  const t = useT();
  const { format } = useLocale();
  const withoutSpans = isWithoutSpans(outcome);
  const lost = outcome.outcome === 'refused' || (outcome.outcome === 'dropped' && !withoutSpans);
  const fine = outcome.outcome === 'accepted';
  const group = REASON_FACTS[outcome.reason]?.group;
  const reason = group && GROUP_TEXT[group];
  const why = withoutSpans
    ? t('setup.acceptedWithoutSpansWhy')
    : fine
      ? null
      : reason
        ? t(reason.why)
        : (outcome.detail ?? t('setup.reason.other', { reason: outcome.reason }));
  const fix = !withoutSpans && !fine && reason?.fix ? t(reason.fix) : null;
  const amount = t(fine ? 'setup.itemsStored' : lost ? 'setup.itemsLost' : 'setup.itemsCounted', {
    n: format.count(outcome.quantity),
    what: categoryText(t, outcome),
  });
  return (
    <li className={lost ? 'is-rejected' : undefined}>
      <StatusGlyph status={lost ? 'error' : fine ? 'ok' : 'cancelled'} />
      <div>
        <p>
          <b>{t(withoutSpans ? 'setup.acceptedWithoutSpans' : `setup.${outcome.outcome}`)}</b>{' '}
          <time className="text-dim" dateTime={outcome.last_at}>
            {format.moment(outcome.last_at)}
          </time>
        </p>
        {why && (
          <p className="setup-reason" title={outcome.detail ?? undefined}>
            <InlineCodeText text={why} />
          </p>
        )}
        {fix && (
          <p className="setup-fix">
            <Icon name="go" size="tiny" />
            <span>
              <InlineCodeText text={fix} />
            </span>
          </p>
        )}
        <p className="setup-source text-dim">
          <b>{amount}</b>
          {outcome.key && (
            <>
              {' · '}
              <InlineCodeText text={t('setup.key', { key: shortKey(outcome.key) })} />
            </>
          )}
          {outcome.sdk && ` · ${outcome.sdk}`}
        </p>
      </div>
    </li>
  );
}
