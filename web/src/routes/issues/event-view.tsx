import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { issueTagsQuery, type Scope } from '../../api/queries';
import type { Issue, IssueEvent } from '../../api/types';
import { HiddenMessagesNote } from '../../components/hidden-messages';
import { Icon } from '../../components/icons';
import { CopyButton, ErrorMessage } from '../../components/states';
import { Age, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { rangeName } from '../../shell/range-name';
import { SurroundingsLink } from '../logs/surroundings-link';
import { BreadcrumbsSection } from './breadcrumbs-section';
import { CallSection } from './call-section';
import {
  AttachmentsSection,
  ContextsSection,
  ExtraSection,
  ModulesSection,
  PropertiesSection,
  RequestSection,
  TagsSection,
  UserSection,
} from './data-sections';
import { EventHighlights } from './event-highlights';
import { eventMarkdown } from './event-markdown';
import { SectionNav, type SectionLink } from './event-section';
import { answerOf, lastQuestion, useNearbyCall, type NearbyCall } from './nearby-call';
import { RawEvent } from './raw-event';
import { StackSection } from './stack-section';

interface EventViewProps {
  project: number;
  issue: Issue;
  scope: Scope;
  event: IssueEvent;
  /** Place of the event among all of the range, from 1; null if it is not known. */
  place: number | null;
  total: number;
  onNewer: (() => void) | undefined;
  onOlder: (() => void) | undefined;
  raw: boolean;
  onRaw: (raw: boolean) => void;
}

/** One event with everything that is known of it. */
export function EventView(props: EventViewProps) {
  const { project, issue, event, raw } = props;
  const { call, error, retry } = useNearbyCall(project, event);
  const links = sectionLinks(event, call);
  const has = new Set(links.map(({ name }) => name));
  return (
    <>
      <div className="issues-sticky">
        <EventBar {...props} call={call} />
        {!raw && links.length > 1 && <SectionNav links={links} />}
      </div>
      {raw ? (
        <RawEvent project={project} event={event} />
      ) : (
        <>
          <div className="pane issues-event">
            {event.messages_hidden && <HiddenMessagesNote />}
            <EventTitle event={event} issue={issue} />
            <EventHighlights project={String(project)} event={event} />
          </div>
          {has.has('stack') && <StackSection key={`stack ${event.event_id}`} event={event} />}
          {call && <CallSection project={project} event={event} call={call} />}
          {error && (
            <div className="issues-section">
              <ErrorMessage error={error} onRetry={retry} />
            </div>
          )}
          {has.has('breadcrumbs') && <BreadcrumbsSection key={`breadcrumbs ${event.event_id}`} event={event} />}
          {event.request && <RequestSection request={event.request} />}
          {has.has('user') && <UserSection project={String(project)} event={event} />}
          {has.has('tags') && <TagsSection event={event} />}
          {has.has('contexts') && <ContextsSection contexts={event.contexts} />}
          {has.has('extra') && <ExtraSection extra={event.extra} />}
          {has.has('modules') && <ModulesSection modules={event.modules} />}
          {has.has('attachments') && <AttachmentsSection attachments={event.attachments} />}
          <PropertiesSection event={event} />
        </>
      )}
    </>
  );
}

/** The sections that the event has something for. */
function sectionLinks(event: IssueEvent, call: NearbyCall | null): SectionLink[] {
  const counted = (name: SectionLink['name'], count: number): SectionLink[] => (count > 0 ? [{ name, count }] : []);
  const plain = (name: SectionLink['name'], there: boolean): SectionLink[] => (there ? [{ name, count: null }] : []);
  return [
    ...plain('stack', event.exceptions.length > 0 || event.frames.length > 0 || event.threads.some(({ frames }) => frames.length > 0)),
    ...plain('call', call !== null),
    ...counted('breadcrumbs', event.breadcrumbs.length),
    ...plain('request', event.request !== null),
    ...plain('user', event.user !== null || event.user_id !== null),
    ...counted('tags', Object.keys(event.tags).length),
    ...counted('contexts', Object.keys(event.contexts).length),
    ...counted('extra', Object.keys(event.extra).length),
    ...counted('modules', Object.keys(event.modules).length),
    ...counted('attachments', event.attachments.length),
    ...plain('properties', true),
  ];
}

/** What the event says otherwise than the newest one, which is in the page's header; and the message beside the exception. */
function EventTitle({ event, issue }: { event: IssueEvent; issue: Issue }) {
  const t = useT();
  const differs = event.type !== issue.type || event.value !== issue.value || event.title !== issue.title;
  return (
    <>
      {differs && (
        <div className="issues-value line-clamp">
          <b className="text-error">{event.title ?? event.type}</b>{' '}
          {event.title !== null && <span className="text-medium">{event.type} </span>}
          <UserText text={event.value} />
        </div>
      )}
      {event.message && event.message !== event.value && (
        <p className="issues-message line-clamp">
          <span className="text-dim">{t('issues.message')}</span> <UserText text={event.message} />
        </p>
      )}
    </>
  );
}

/** The address of the page with this event, which may not stay the newest. */
function addressOfEvent({ event_id: id, time }: IssueEvent): string {
  const address = new URL(window.location.href);
  address.searchParams.set('event', id);
  address.searchParams.set('at', time);
  return address.href;
}

/** The address of the page without an event. */
function addressOfIssue(): string {
  const address = new URL(window.location.href);
  for (const name of ['event', 'at', 'view']) address.searchParams.delete(name);
  return address.href;
}

function EventBar({ project, issue, scope, event, place, total, onNewer, onOlder, raw, onRaw, call }: EventViewProps & { call: NearbyCall | null }) {
  const t = useT();
  const { format } = useLocale();
  const range = useRange();
  const { data } = useQuery(issueTagsQuery(project, issue.issue_id, scope));
  const markdown = () =>
    eventMarkdown(event, {
      t,
      format,
      address: addressOfEvent(event),
      issue: { issue, tags: data?.tags ?? [], range: rangeName(range, t, format), q: scope.q, address: addressOfIssue() },
      call: call && { span: call.span, question: lastQuestion(call), answer: answerOf(call) },
    });
  return (
    <div className="issues-event-bar">
      <button
        type="button"
        className="icon-button"
        disabled={!onNewer}
        onClick={onNewer}
        title={`${t('issues.newer')} [`}
        aria-label={t('issues.newer')}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        className="icon-button"
        disabled={!onOlder}
        onClick={onOlder}
        title={`${t('issues.older')} ]`}
        aria-label={t('issues.older')}
      >
        <Icon name="right" />
      </button>
      <h2>{place === null ? t('issues.eventOf') : t('issues.event', { n: place, total })}</h2>
      <time className="text-dim ellipsis" dateTime={event.time}>
        {format.exact(event.time)}
      </time>
      <span className="issues-age hidden-when-narrow">
        <Age at={event.time} />
      </span>
      <span className="spacer" />
      <SurroundingsLink project={project} time={event.time} />
      <CopyButton text={markdown} label={t('issues.copyMarkdown')} />
      <button type="button" className="button" onClick={() => onRaw(!raw)}>
        {raw ? t('issues.hideRaw') : 'JSON'}
      </button>
      {event.trace_id ? (
        <Link
          className="button"
          to="/p/$project/traces/$trace"
          params={{ project: String(project), trace: event.trace_id }}
          search={{ span: event.span_id ?? undefined, at: event.time }}
        >
          {t('issues.openTrace')}
          <Icon name="go" size="tiny" />
        </Link>
      ) : (
        <span className="text-dim text-small">{t('issues.noTrace')}</span>
      )}
    </div>
  );
}
