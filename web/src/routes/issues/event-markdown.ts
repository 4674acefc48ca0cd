import type { ErrorException, Frame, Issue, IssueEvent, IssueTag, Span } from '../../api/types';
import { MINUS, plain, type Format } from '../../format';
import type { T } from '../../i18n';
import { breadcrumbText } from './breadcrumb-text';
import { exceptionRelation } from './exception-relation';
import { frameLocation, groupFrames, sourceLinesOf } from './frame-groups';
import { codeBlock, codeTable, inlineCode, inlineText, shortened } from './markdown-syntax';
import { relationTitle } from './relation-title';

const MAX_VALUE_CHARACTERS = 200;
const MAX_MESSAGE_CHARACTERS = 4000;
const MAX_DATA_CHARACTERS = 6000;
const MAX_BREADCRUMBS = 50;
/** Values of a tag in the summary of the issue. */
const MAX_TAG_VALUES = 5;
/** Frames of the program that are written with their lines and variables; further ones take a line each. */
const MAX_DETAILED_FRAMES = 10;

/** The call near the error, with the texts that the reader saw beside it. */
export interface MarkdownCall {
  span: Span;
  question: string | null;
  answer: string | null;
}

/** The issue of the event, as the page shows it. */
export interface MarkdownIssue {
  issue: Issue;
  /** Tags of its events; none while they load. */
  tags: readonly IssueTag[];
  /** Name of the time range of the counts, and its filter. */
  range: string;
  q: string | undefined;
  /** Address of the page of the issue. */
  address: string;
}

interface MarkdownOptions {
  t: T;
  format: Format;
  /** Address of the page. */
  address: string;
  call: MarkdownCall | null;
  issue: MarkdownIssue;
}

/** An event and a summary of its issue as Markdown, for a ticket or a coding agent. */
export function eventMarkdown(event: IssueEvent, options: MarkdownOptions): string {
  const { t } = options;
  const title = event.title ?? event.type;
  const heading = `# ${[title, event.value].filter(Boolean).map((text) => inlineText(shortened(text, 300))).join(': ')}`;
  const blocks = [
    heading,
    issueBlock(options),
    `## ${t('issues.eventOf')}`,
    factList(event, options),
    event.message && event.message !== event.value ? `${t('issues.message')}:\n\n${codeBlock(shortened(event.message, MAX_MESSAGE_CHARACTERS))}` : '',
    ...stackBlocks(event, t),
    callBlock(options),
    breadcrumbBlock(event, options),
    tableBlock(t('issues.tags'), event.tags, t),
    dataBlock(t('issues.request'), event.request),
    dataBlock(t('issues.user'), event.user),
    dataBlock(t('issues.contexts'), event.contexts),
    dataBlock(t('issues.extra'), event.extra),
  ];
  return `${blocks.filter(Boolean).join('\n\n')}\n`;
}

function issueBlock({ t, format, issue: { issue, tags, range, q, address } }: MarkdownOptions): string {
  const values = (key: string) => {
    const tag = tags.find((one) => one.key === key);
    if (!tag) return null;
    const shown = tag.values.slice(0, MAX_TAG_VALUES);
    const rest = tag.distinct - shown.length;
    const parts = shown.map(({ value, count }) => `${inlineCode(shortened(value, MAX_VALUE_CHARACTERS))} (${format.count(count)})`);
    return [...parts, ...(rest > 0 ? [t('issues.moreValues', { n: rest })] : [])].join(', ');
  };
  const time = (at: string) => `${format.exact(at)} ${format.zone}`;
  const facts: [string, string | null][] = [
    [t('issues.type'), inlineCode(shortened(issue.type, MAX_VALUE_CHARACTERS))],
    [t('issues.range'), range],
    [t('issues.filter'), q ? inlineCode(q) : null],
    [t('issues.count'), format.count(issue.count)],
    [t('issues.users'), [format.count(issue.users), values('user')].filter(Boolean).join(' · ')],
    [t('issues.traces'), format.count(issue.traces)],
    [t('issues.releases'), values('release')],
    [t('issues.firstAllTime'), time(issue.first_seen)],
    [t('issues.lastAllTime'), time(issue.last_seen)],
    [t('issues.page'), `<${address}>`],
  ];
  const lines = facts.flatMap(([name, value]) => (value ? [`- ${name}: ${value}`] : []));
  return [`## ${t('issues.issue')} #${issue.issue_id}`, lines.join('\n')].join('\n\n');
}

function factList(event: IssueEvent, { t, format, address }: MarkdownOptions): string {
  const handled = event.handled === null ? '' : ` (${t(event.handled ? 'issues.handled' : 'issues.unhandled')})`;
  const sdk = event.sdk && [event.sdk.name, event.sdk.version].filter(Boolean).join(' ');
  const facts: [string, string | null | undefined][] = [
    [t('issues.time'), `${format.exact(event.time)} ${format.zone}`],
    [t('issues.level'), event.level + handled],
    [t('issues.culprit'), event.culprit],
    [t('issues.environment'), event.environment],
    [t('issues.release'), event.release],
    [t('issues.transaction'), event.transaction],
    [t('issues.serverName'), event.server_name],
    [t('issues.userId'), event.user_id],
    [t('issues.platform'), event.platform],
    ['SDK', sdk],
    [t('issues.trace'), event.trace_id],
    [t('issues.eventId'), event.event_id],
  ];
  const lines = facts.flatMap(([name, value]) => (value ? [`- ${name}: ${inlineCode(shortened(value, MAX_VALUE_CHARACTERS * 2))}`] : []));
  return [...lines, `- ${t('issues.page')}: <${address}>`].join('\n');
}

function stackBlocks(event: IssueEvent, t: T): string[] {
  const title = `## ${t('issues.stack')} (${t('issues.stackWhy')})`;
  const chain = event.exceptions;
  if (!chain.some(({ frames }) => frames.length > 0)) {
    const lines = event.frames.length > 0 ? [title, codeBlock(stackText(event.frames, event.frames_cut, t))] : [];
    return [...lines, ...chain.slice(0, -1).toReversed().map((exception) => `- ${exceptionLine(exception)}`)];
  }
  const written = chain.map((exception, at) => {
    const relation = exceptionRelation(chain, at);
    const name = relation.kind === 'raised' ? '' : `${inlineText(relationTitle(relation, t))}: `;
    const frames = exception.frames.length > 0 ? codeBlock(stackText(exception.frames, exception.frames_cut, t)) : '';
    return [`### ${name}${exceptionLine(exception)}`, frames].filter(Boolean).join('\n\n');
  });
  return [title, ...written.toReversed()];
}

const exceptionLine = ({ type, value }: ErrorException) =>
  [type, value].filter(Boolean).map((text) => inlineText(shortened(text, 300))).join(': ');

/** Frames from inside out: those of the program with lines and variables, runs of library frames as a count. */
function stackText(frames: Frame[], cut: number, t: T): string {
  const lines: string[] = [];
  let detailed = 0;
  for (const group of groupFrames(frames)) {
    if (group.own) {
      lines.push(frameLine(group.frame));
      if (detailed < MAX_DETAILED_FRAMES) lines.push(...frameDetails(group.frame));
      detailed += 1;
    } else if (group.frames.length > 3) {
      lines.push(frameLine(group.frames[0]!), `  … ${t('issues.library', { n: group.frames.length - 1 })}`);
    } else lines.push(...group.frames.map(frameLine));
  }
  if (cut > 0) lines.push(`… ${t('issues.framesCut', { n: cut })}`);
  return lines.join('\n');
}

const frameLine = (frame: Frame) => `${frame.function ?? '?'} (${frameLocation(frame)})`.replace(/\s+/g, ' ');

function frameDetails(frame: Frame): string[] {
  const source = sourceLinesOf(frame).map(({ no, text, here }) => `${here ? '  > ' : '    '}${no ?? ''} ${text}`.trimEnd());
  const variables = Object.entries(frame.vars).map(([name, value]) => `    ${name} = ${valueText(value)}`);
  return [...source, ...(variables.length > 0 ? ['    --', ...variables] : [])];
}

const valueText = (value: unknown) =>
  shortened((typeof value === 'string' ? value : JSON.stringify(value)).replace(/\s+/g, ' '), MAX_VALUE_CHARACTERS);

function callBlock({ t, format, call }: MarkdownOptions): string {
  if (!call) return '';
  const { span, question, answer } = call;
  const facts: [string, string | null][] = [
    [t('issues.model'), span.model],
    [t('issues.cost'), span.cost ? format.moneyExact(span.cost.total) : t('common.unknown')],
    [t('issues.duration'), span.duration_ms === null ? t('common.unknown') : plain(format.duration(span.duration_ms))],
    [t('issues.failure'), span.status === 'error' ? (span.error_preview ?? t('status.error')) : null],
  ];
  const lines = facts.flatMap(([name, value]) => (value ? [`- ${name}: ${inlineCode(value)}`] : []));
  const text = (name: string, value: string | null) =>
    value ? `${name}:\n\n${codeBlock(shortened(value, MAX_MESSAGE_CHARACTERS))}` : '';
  return [`## ${t('issues.call')}`, lines.join('\n'), text(t('issues.question'), question), text(t('issues.answer'), answer)]
    .filter(Boolean)
    .join('\n\n');
}

function breadcrumbBlock(event: IssueEvent, { t, format }: MarkdownOptions): string {
  const all = event.breadcrumbs;
  if (all.length === 0) return '';
  const end = Date.parse(event.time);
  const rows = all.slice(-MAX_BREADCRUMBS).map((breadcrumb) => [
    breadcrumb.timestamp === null ? '' : ageText(end - Date.parse(breadcrumb.timestamp), format),
    breadcrumb.category ?? '',
    breadcrumb.level ?? '',
    shortened(breadcrumbText(breadcrumb), MAX_VALUE_CHARACTERS * 2),
  ]);
  const left = event.breadcrumbs_cut + all.length - rows.length;
  const note = left > 0 ? `${t('issues.earlierBreadcrumbs', { n: left })}\n\n` : '';
  const heads = [t('issues.time'), t('issues.category'), t('issues.level'), t('issues.message')];
  return `## ${t('issues.breadcrumbs')}\n\n${note}${codeTable(heads, rows)}`;
}

/** Time of a breadcrumb before (−) or after (+) the event. */
export const ageText = (ms: number, format: Format) =>
  (ms > 0 ? MINUS : ms < 0 ? '+' : '') + plain(format.duration(Math.abs(ms)));

function tableBlock(title: string, values: Record<string, string>, t: T): string {
  const rows = Object.entries(values).map(([name, value]) => [name, shortened(value, MAX_VALUE_CHARACTERS)]);
  return rows.length > 0 ? `## ${title}\n\n${codeTable([t('issues.tag'), t('issues.value')], rows)}` : '';
}

function dataBlock(title: string, data: Record<string, unknown> | null): string {
  if (!data || Object.keys(data).length === 0) return '';
  return `## ${title}\n\n${codeBlock(shortened(JSON.stringify(data, null, 2), MAX_DATA_CHARACTERS), 'json')}`;
}
