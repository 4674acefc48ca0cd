import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import type { IssueEvent } from '../../api/types';
import { CodeBlock } from '../../components/text/code-block';
import { Chip, NumberWithUnit } from '../../components/values';
import { fieldTerm, toggleValue } from '../../filter-query';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { rangeAround } from '../../range';
import { EventSection } from './event-section';
import { otherRequestParts, requestLine, requestPairs } from './request-parts';
import { StructuredTable, StructuredValue } from './structured-value';
import { tagField } from './tag-field';

const MAX_SHOWN_MODULES = 24;

function Block({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="issues-block">
      <h3>{title}</h3>
      {children}
    </div>
  );
}

function Pairs({ title, value }: { title: string; value: unknown }) {
  const pairs = requestPairs(value);
  if (pairs?.length === 0) return null;
  return <Block title={title}>{pairs ? <StructuredTable entries={pairs} /> : <StructuredValue value={value} />}</Block>;
}

export function RequestSection({ request }: { request: Record<string, unknown> }) {
  const t = useT();
  const line = requestLine(request);
  const body = request.data;
  const others = otherRequestParts(request);
  return (
    <EventSection name="request">
      {line && <p className="issues-request-line monospace">{line}</p>}
      <div className="issues-blocks">
        <Pairs title={t('issues.query')} value={request.query_string} />
        {body !== undefined && body !== null && body !== '' && (
          <Block title={t('issues.body')}>
            {typeof body === 'string' ? <CodeBlock text={body} /> : <BodyValue body={body} />}
          </Block>
        )}
        <Pairs title={t('issues.headers')} value={request.headers} />
        <Pairs title={t('issues.cookies')} value={request.cookies} />
        <Pairs title={t('issues.serverEnvironment')} value={request.env} />
        {others.length > 0 && (
          <Block title={t('issues.otherParts')}>
            <StructuredTable entries={others} />
          </Block>
        )}
      </div>
    </EventSection>
  );
}

function BodyValue({ body }: { body: unknown }) {
  if (typeof body !== 'object' || body === null) return <StructuredValue value={body} />;
  return <StructuredTable entries={Array.isArray(body) ? body.map((item, at) => [String(at), item]) : Object.entries(body)} />;
}

export function UserSection({ project, event }: { project: string; event: IssueEvent }) {
  const t = useT();
  const range = useRange();
  const entries = Object.entries(event.user ?? { id: event.user_id });
  return (
    <EventSection
      name="user"
      actions={
        event.user_id !== null && (
          <Link
            className="text-link text-small"
            to="/p/$project/traces"
            params={{ project }}
            search={{ q: fieldTerm('user', event.user_id), ...rangeAround(range, Date.parse(event.time)) }}
          >
            {t('issues.tracesOfUser')}
          </Link>
        )
      }
    >
      <StructuredTable entries={entries} />
    </EventSection>
  );
}

/** Tags of the event; each leads to the other events of the issue with it. */
export function TagsSection({ event }: { event: IssueEvent }) {
  const t = useT();
  return (
    <EventSection name="tags">
      <dl className="issues-values">
        {Object.entries(event.tags).map(([name, value]) => (
          <div key={name}>
            <dt className="monospace" dir="auto">
              {name}
            </dt>
            <dd>
              <Link
                className="text-link"
                to="."
                search={(was) => ({ ...was, q: toggleValue(was.q ?? '', tagField(name), value) || undefined, event: undefined, at: undefined })}
                title={t('issues.eventsWithTag')}
              >
                {value}
              </Link>
            </dd>
          </div>
        ))}
      </dl>
    </EventSection>
  );
}

/** The line that says most of a context: its name and version. */
function contextTitle(context: unknown): string {
  if (typeof context !== 'object' || context === null) return '';
  const { name, version, model } = context as Record<string, unknown>;
  return [name ?? model, version].filter((part) => typeof part === 'string' || typeof part === 'number').join(' ');
}

export function ContextsSection({ contexts }: { contexts: Record<string, unknown> }) {
  return (
    <EventSection name="contexts">
      <div className="issues-blocks">
        {Object.entries(contexts).map(([name, context]) => (
          <div className="issues-block" key={name}>
            <h3>
              {name} <span className="text-dim">{contextTitle(context)}</span>
            </h3>
            {typeof context === 'object' && context !== null ? (
              <StructuredTable entries={Object.entries(context).filter(([key, value]) => key !== 'type' || value !== name)} />
            ) : (
              <StructuredValue value={context} />
            )}
          </div>
        ))}
      </div>
    </EventSection>
  );
}

export function ExtraSection({ extra }: { extra: Record<string, unknown> }) {
  return (
    <EventSection name="extra">
      <StructuredTable entries={Object.entries(extra)} />
    </EventSection>
  );
}

export function ModulesSection({ modules }: { modules: Record<string, string> }) {
  const t = useT();
  const [all, setAll] = useState(false);
  const entries = Object.entries(modules);
  const shown = all ? entries : entries.slice(0, MAX_SHOWN_MODULES);
  return (
    <EventSection name="modules">
      <ul className="issues-modules">
        {shown.map(([name, version]) => (
          <li key={name}>
            <code className="ellipsis" title={name}>
              {name}
            </code>
            <span className="text-dim ellipsis">{version}</span>
          </li>
        ))}
      </ul>
      {shown.length < entries.length && (
        <button type="button" className="action-link text-small" onClick={() => setAll(true)}>
          {t('issues.showAll', { n: entries.length })}
        </button>
      )}
    </EventSection>
  );
}

export function AttachmentsSection({ attachments }: { attachments: IssueEvent['attachments'] }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <EventSection name="attachments" note={t('issues.attachmentsWhy')}>
      <ul className="issues-attachments">
        {attachments.map(({ name, content_type: mime, type, bytes }, at) => (
          <li key={at}>
            <b className="ellipsis">{name ?? t('issues.unnamed')}</b>
            <span className="text-dim ellipsis">{[type, mime].filter(Boolean).join(' · ')}</span>
            <NumberWithUnit v={format.bytes(bytes)} />
          </li>
        ))}
      </ul>
    </EventSection>
  );
}

/** What remains: how the event came here. */
export function PropertiesSection({ event }: { event: IssueEvent }) {
  const t = useT();
  const { format } = useLocale();
  const { sdk } = event;
  const facts: [string, string | null | undefined][] = [
    [t('issues.eventId'), event.event_id],
    [t('issues.time'), `${format.exact(event.time)} ${format.zone}`],
    [t('issues.level'), event.level],
    [t('issues.environment'), event.environment],
    [t('issues.release'), event.release],
    [t('issues.dist'), event.dist],
    [t('issues.transaction'), event.transaction],
    [t('issues.serverName'), event.server_name],
    [t('issues.logger'), event.logger],
    [t('issues.platform'), event.platform],
    ['SDK', sdk && [sdk.name, sdk.version].filter(Boolean).join(' ')],
    [t('issues.trace'), event.trace_id],
    [t('issues.span'), event.span_id],
  ];
  return (
    <EventSection name="properties">
      <dl className="issues-values">
        {facts.map(([name, value]) =>
          value ? (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="monospace">{value}</dd>
            </div>
          ) : null,
        )}
        <ChipRow name={t('issues.integrations')} values={sdk?.integrations ?? []} />
        <ChipRow name={t('issues.fingerprint')} values={event.fingerprint} />
      </dl>
    </EventSection>
  );
}

function ChipRow({ name, values }: { name: string; values: string[] }) {
  if (values.length === 0) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd className="issues-chips">
        {values.map((value, at) => (
          <Chip key={at} title={value}>
            {value}
          </Chip>
        ))}
      </dd>
    </div>
  );
}
