import { Link } from '@tanstack/react-router';
import { memo, useMemo, useState, type ReactNode } from 'react';
import { traceName } from '../../api/trace-name';
import { plain } from '../../format';
import { useT, type TextKey } from '../../i18n';
import { HiddenMessagesNote } from '../../components/hidden-messages';
import { Icon, kindColor } from '../../components/icons';
import { Chip, Duration, NumberWithUnit, Swatch, UnknownValue } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { useTraceView } from './context';
import { HeadFacts } from './head-facts';
import { timeShares, shareBarItems, type TimeShare } from './model/shares';
import { PinAndDelete } from './pin-and-delete';
import { PaceChip } from './pace';

/** What this was, and its figures, before any detail. */
export const TraceHeader = memo(function Header({ arriving }: { arriving: boolean }) {
  const t = useT();
  const { format } = useLocale();
  const { data, tree, project, around, colorOf } = useTraceView();
  const { trace, errors } = data;
  const { status } = trace;
  const root = tree.byId.get(trace.root_span_id ?? '')?.span ?? tree.roots[0]?.span;
  const threads = new Set(tree.nodes.map(({ span }) => span.thread).filter(Boolean));
  const pipelines = [...new Set(tree.nodes.map(({ span }) => span.pipeline).filter((name) => name !== null))];
  const narrowed = (field: string, value: string) => (
    <Link
      className="action-link ellipsis"
      title={value}
      to="/p/$project/traces"
      params={{ project: String(project.id) }}
      search={{ q: fieldTerm(field, value), ...around }}
    >
      {value}
    </Link>
  );
  const failedTools = tree.nodes.filter(({ span }) => span.kind === 'tool' && span.status === 'error').length;
  // A trace may be ok although something in it failed: that is not praised.
  const hasFailures = trace.failed_llm_calls > 0 || failedTools > 0 || errors.length > 0 || trace.error_count > 0;
  const tones = { ok: hasFailures ? undefined : 'good', error: 'bad', cancelled: undefined } as const;
  const icons = { ok: 'check', error: 'issues', cancelled: 'close' } as const;
  return (
    <section className="trace-head sheet">
      <div className="trace-title-row">
        <div className="trace-title">
          <h1 className="line-clamp" title={trace.op}>
            {traceName(trace)}
          </h1>
          <Chip tone={tones[status]}>
            <Icon name={icons[status]} size="tiny" />
            {t(`status.${status}`)}
          </Chip>
          {arriving && (
            <Chip>
              <span className="live-dot" /> {t('trace.arriving')}
            </Chip>
          )}
          {root?.compared && <PaceChip span={root} compared={root.compared} failed={status !== 'ok' || hasFailures} />}
          {trace.failed_llm_calls > 0 && <Chip tone="bad">{t('traces.failedCalls', { n: trace.failed_llm_calls })}</Chip>}
          {failedTools > 0 && <Chip tone="bad">{t('trace.failedTools', { n: failedTools })}</Chip>}
        </div>
        <div className="trace-head-facts text-dim">
          <time dateTime={trace.start_time} title={format.zone}>
            {format.exact(trace.start_time)}
          </time>
          <ExpandableList few={2}>
            {pipelines.map((pipeline) => (
              <span key={pipeline}>
                {t('traces.pipeline')} {narrowed('pipeline', pipeline)}
              </span>
            ))}
          </ExpandableList>
          <ExpandableList few={3}>
            {trace.models.map((model) => (
              <span key={model} className="trace-model">
                <Swatch color={colorOf(model)} />
                {narrowed('model', model)}
              </span>
            ))}
          </ExpandableList>
          {trace.user_id !== null && (
            <span>
              <span className="visually-hidden">{t('trace.user')}</span>
              {narrowed('user', trace.user_id)}
            </span>
          )}
          {trace.session_id !== null && (
            <span>
              {t('trace.session')} {narrowed('session', trace.session_id)}
            </span>
          )}
          <HeadFacts
            trace={trace}
            facts={[
              trace.environment,
              trace.release,
              threads.size === 1 ? [...threads][0]! : threads.size > 0 && t('trace.threads', { n: threads.size }),
              root?.sdk && [root.sdk.name, root.sdk.version].filter(Boolean).join(' '),
            ]}
          />
          <PinAndDelete project={project} data={data} />
        </div>
      </div>
      {trace.messages_hidden && <HiddenMessagesNote />}
      <TraceFigures />
      <TimeShares />
      {trace.error_count > 0 && errors.length === 0 && <p className="visually-hidden">{t('traces.errors', { n: trace.error_count })}</p>}
    </section>
  );
});

/** The first few, and how many more there are, which a click shows. */
function ExpandableList({ few, children }: { few: number; children: ReactNode[] }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  const rest = children.length - few;
  if (open || rest <= 0) return children;
  return (
    <>
      {children.slice(0, few)}
      <button
        type="button"
        className="action-link"
        aria-label={t('trace.showMore', { n: rest })}
        title={t('trace.showMore', { n: rest })}
        onClick={() => setOpen(true)}
      >
        +{rest}
      </button>
    </>
  );
}

function TraceFigures() {
  const t = useT();
  const { format } = useLocale();
  const { data, tree, axis, project } = useTraceView();
  const { trace, errors } = data;
  const idle = axis.folds.reduce((sum, { from, to }) => sum + to - from, 0);
  const secondCurrency = format.secondCurrency(trace.cost, project.currency);
  const tools = trace.tool_calls;
  const missing = [
    trace.unpriced_calls > 0 && t('trace.unpriced', { n: trace.unpriced_calls }),
    trace.calls_without_usage > 0 && t('traces.noUsage', { n: trace.calls_without_usage }),
  ].filter(Boolean);
  const estimated = trace.estimated_calls > 0 && t('estimate.calls', { n: trace.estimated_calls });
  const tokensUnknown = trace.llm_calls > 0 && trace.total_tokens === 0 && trace.calls_without_usage > 0;
  const cost = trace.cost === null ? null : format.money(trace.cost);
  return (
    <dl className="trace-figures">
      <TraceFigure label="trace.total" more={idle > 0 && t('trace.idle', { time: plain(format.duration(idle)) })}>
        <NumberWithUnit v={format.duration(trace.duration_ms)} />
      </TraceFigure>
      <TraceFigure
        label="trace.cost"
        title={missing.join(', ')}
        more={
          [...missing, estimated].some(Boolean)
            ? [...missing, estimated].filter(Boolean).join(', ')
            : secondCurrency && t('common.about', { amount: secondCurrency })
        }
      >
        {cost !== null ? (
          <span title={trace.cost === null ? undefined : format.moneyExact(trace.cost)}>
            {cost}
            {missing.length > 0 && <span className="unit">+</span>}
          </span>
        ) : trace.llm_calls > trace.failed_llm_calls ? (
          <UnknownValue />
        ) : (
          '–'
        )}
      </TraceFigure>
      <TraceFigure
        label="trace.tokens"
        more={
          !tokensUnknown &&
          trace.llm_calls > 0 &&
          t('traces.inOut', { in: plain(format.tokensCell(trace.input_tokens)), out: plain(format.tokensCell(trace.output_tokens)) })
        }
      >
        {tokensUnknown ? (
          <UnknownValue />
        ) : trace.llm_calls === 0 ? (
          '–'
        ) : (
          <span title={format.count(trace.total_tokens)}>
            <NumberWithUnit v={format.tokensCell(trace.total_tokens)} />
          </span>
        )}
      </TraceFigure>
      <TraceFigure label="trace.calls" more={t('trace.ofSpans', { n: format.count(tree.nodes.length) })}>
        {format.count(trace.llm_calls)}
      </TraceFigure>
      {tools > 0 && <TraceFigure label="trace.tools">{format.count(tools)}</TraceFigure>}
      <TraceFigure label="trace.errors">
        <span className={errors.length > 0 ? 'text-error' : undefined}>{format.count(Math.max(trace.error_count, errors.length))}</span>
      </TraceFigure>
    </dl>
  );
}

function TraceFigure({ label, more, title, children }: { label: TextKey; more?: ReactNode; title?: string; children: ReactNode }) {
  const t = useT();
  return (
    <div title={title || undefined}>
      <dt>{t(label)}</dt>
      <dd>
        {children}
        {more && <span className="unit">{more}</span>}
      </dd>
    </div>
  );
}

/** As many operations as a line holds; the rest are one. */
const MAX_SHARES = 6;

/** Where the time went, in one line. */
function TimeShares() {
  const t = useT();
  const { format } = useLocale();
  const { tree } = useTraceView();
  const all = useMemo(() => shareBarItems(timeShares(tree.nodes)).filter(({ self }) => self > 0), [tree]);
  if (all.length === 0) return null;
  const shown = all.length > MAX_SHARES + 1 ? all.slice(0, MAX_SHARES) : all;
  const rest = all.slice(shown.length);
  const restShare = rest.reduce((sum, { share }) => sum + share, 0);
  return (
    <div className="trace-shares">
      <div className="trace-shares-bar" aria-hidden="true">
        {shown.map((one) => (
          <i key={one.key} style={{ flex: one.share, background: kindColor(one.kind) }} title={one.key} />
        ))}
        {rest.length > 0 && <i style={{ flex: restShare, background: 'var(--c-other)' }} />}
      </div>
      <ul aria-label={t('trace.shares')} title={t('trace.sharesWhy')}>
        {shown.map((one) => (
          <ShareItem key={one.key} share={one} />
        ))}
        {rest.length > 0 && (
          <li>
            <Swatch color="var(--c-other)" />
            {t('trace.others', { n: rest.length })}{' '}
            <b>
              <NumberWithUnit v={format.percent(restShare)} />
            </b>
          </li>
        )}
        {shown.length < MAX_SHARES && <li className="text-dim trace-note">{t('trace.sharesWhy')}</li>}
      </ul>
    </div>
  );
}

function ShareItem({ share }: { share: TimeShare }) {
  const { format } = useLocale();
  return (
    <li>
      <Swatch color={kindColor(share.kind)} />
      {share.key}{' '}
      <b>
        <NumberWithUnit v={format.percent(share.share)} />
      </b>{' '}
      <span className="text-dim">
        <Duration ms={share.self} />
      </span>
    </li>
  );
}
