import { Link } from '@tanstack/react-router';
import { toolsOf } from '../../../api/status';
import type { SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { CopyIconButton } from '../../../components/states';
import { CodeBlock } from '../../../components/text/code-block';
import { Duration } from '../../../components/values';
import { fieldTerm } from '../../../filter-query';
import { useLocale } from '../../../locale';
import { useTraceView } from '../context';
import { selfIntervals } from '../model/time';
import { isModelCall, type SpanNode } from '../model/tree';
import { PaceChip, tokensPerSecond } from '../pace';
import { PropertyList, type Property } from './property-list';
import { SpanLink } from './span-notes';

/** When, with what, by whom: the facts that are not texts, tokens or money. */
export function DetailsTab({ detail, node }: { detail: SpanDetail; node: SpanNode }) {
  const t = useT();
  const { format } = useLocale();
  const { project, data, around } = useTraceView();
  const filter = (field: string, value: string) => (
    <Link
      className="text-link"
      to="/p/$project/traces"
      params={{ project: String(project.id) }}
      search={{ q: fieldTerm(field, value), ...around }}
    >
      {value}
    </Link>
  );
  const copied = (value: string) => (
    <span className="trace-copy-id">
      <code>{value}</code>
      <CopyIconButton text={value} />
    </span>
  );
  const speed = tokensPerSecond(detail);
  const children = node.children.length;
  const timing: Property[] = [
    [t('trace.start'), `${format.exact(detail.start_time)} (+${format.threeDigits(node.start / 1000)} s)`],
    [t('trace.duration'), <Duration key="d" ms={detail.duration_ms} />],
    [
      t('trace.self'),
      <span key="s">
        <Duration ms={node.self} />{' '}
        {children > 0 && <span className="text-dim">{t('trace.lessChildren', { n: children, parts: selfIntervals(node).length })}</span>}
      </span>,
    ],
    detail.time_to_first_token_ms !== null && [t('trace.firstToken'), <Duration key="f" ms={detail.time_to_first_token_ms} />],
    speed !== null && isModelCall(detail) && [t('trace.speed'), `${format.threeDigits(speed)} ${t('trace.tokensPerSecond')}`],
    detail.compared && [
      t('trace.compared'),
      <span key="c" className="trace-compared">
        <PaceChip span={detail} compared={detail.compared} />
        <span className="text-dim">
          {t('trace.median')} <Duration ms={detail.compared.median_ms} />, {t('trace.similarSpanCount', { n: detail.compared.n })}
        </span>
      </span>,
    ],
    !detail.compared && [
      t('trace.compared'),
      <span key="n" className="text-dim">
        {t('trace.tooFewSimilar')}
      </span>,
    ],
    detail.thread !== null && [t('trace.thread'), detail.thread],
  ];
  const model: Property[] = [
    detail.provider !== null && [t('traces.provider'), filter('provider', detail.provider)],
    detail.request_model !== null && [t('trace.modelRequested'), detail.request_model],
    detail.response_model !== null && [
      t('trace.modelAnswered'),
      <span key="m">
        {filter('model', detail.response_model)}
        {detail.request_model !== null && detail.request_model !== detail.response_model && (
          <span className="text-dim"> {t('trace.modelDiffers')}</span>
        )}
      </span>,
    ],
    detail.operation !== null && [t('trace.operation'), detail.operation],
    detail.streaming !== null && isModelCall(detail) && [t('trace.streaming'), t(detail.streaming ? 'common.yes' : 'common.no')],
    isModelCall(detail) && detail.finish_reasons.length > 0 && [t('trace.finishReason'), detail.finish_reasons.join(', ')],
    detail.failure !== null && [t('trace.failure'), filter('failure', detail.failure)],
    detail.prompt !== null && [t('trace.prompt'), filter('prompt', detail.prompt)],
    detail.prompt_version !== null && [t('trace.promptVersion'), filter('prompt_version', detail.prompt_version)],
    ...Object.entries(detail.request).map(([name, value]): Property => [name, <code key={name}>{valueText(value)}</code>]),
  ];
  const place: Property[] = [
    detail.pipeline !== null && [t('traces.pipeline'), filter('pipeline', detail.pipeline)],
    detail.agent !== null && [t('trace.agent'), filter('agent', detail.agent)],
    detail.tool !== null && [t('trace.tool'), filter('tool', detail.tool)],
    detail.user_id !== null && [t('trace.user'), filter('user', detail.user_id)],
    detail.session_id !== null && [t('trace.conversation'), filter('session', detail.session_id)],
    detail.environment !== null && [t('traces.environment'), filter('environment', detail.environment)],
    detail.release !== null && [t('trace.release'), filter('release', detail.release)],
    detail.service !== null && [t('trace.service'), detail.service],
    detail.sdk !== null && ['SDK', [detail.sdk.name, detail.sdk.version].filter(Boolean).join(' ')],
    detail.origin !== null && [t('trace.origin'), <code key="o">{detail.origin}</code>],
    ...Object.entries(detail.tags).map(([name, value]): Property => [`tag ${name}`, filter(`tag.${name}`, value)]),
  ];
  const ids: Property[] = [
    [t('trace.spanId'), copied(detail.span_id)],
    detail.parent_span_id !== null && [t('trace.parentId'), copied(detail.parent_span_id)],
    [t('trace.traceId'), copied(data.trace.trace_id)],
    detail.response_id !== null && detail.response_id !== undefined && [t('trace.responseId'), copied(detail.response_id)],
  ];
  const links = detail.links.map((link): Property => [
    link.span_id,
    <span key="l">
      <SpanLink project={project.id} span={link} />{' '}
      {Object.keys(link.attributes).length > 0 && <code className="text-dim">{JSON.stringify(link.attributes)}</code>}
    </span>,
  ]);
  const tools = toolsOf(detail);
  return (
    <>
      <PropertyList title={t('trace.timing')} lines={timing} />
      <PropertyList title={t('trace.request')} lines={model} />
      <PropertyList title={t('trace.placement')} lines={place} />
      <PropertyList title={t('trace.ids')} lines={ids} />
      <PropertyList title={t('trace.links')} lines={links} />
      {tools.length > 0 && (
        <section className="trace-detail-group">
          <h3>{t('trace.offeredToolCount', { n: tools.length })}</h3>
          {tools.map((tool, at) => (
            <details key={at} className="tool-definition">
              <summary>
                <b>{toolField(tool, 'name') ?? `#${at + 1}`}</b> <span className="text-dim ellipsis">{toolField(tool, 'description')}</span>
              </summary>
              <CodeBlock text={JSON.stringify(tool)} lines={60} />
            </details>
          ))}
        </section>
      )}
    </>
  );
}

const valueText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** The name or description of a tool, in whichever of the usual shapes it was sent. */
function toolField(tool: unknown, field: 'name' | 'description'): string | null {
  if (typeof tool !== 'object' || tool === null) return null;
  const own = (tool as Record<string, unknown>)[field];
  if (typeof own === 'string') return own;
  return toolField((tool as Record<string, unknown>).function, field);
}
