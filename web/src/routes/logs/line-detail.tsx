import { Link } from '@tanstack/react-router';
import type { ListedLogLine } from '../../api/types';
import { HiddenMessage } from '../../components/hidden-messages';
import { Icon } from '../../components/icons';
import { LogAttributes } from '../../components/log-attributes';
import { CopyButton } from '../../components/states';
import { UserText } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { issueTarget, traceTarget } from './line-links';
import { lineText } from './log-pages';

/** Longer values make no filter that anybody reads. */
const MAX_FILTER_VALUE = 200;

const attributeField = (name: string) => (/[\s:"]/.test(name) ? `"attr.${name.replace(/[\\"]/g, '\\$&')}"` : `attr.${name}`);

interface LineDetailProps {
  project: number;
  line: ListedLogLine;
  /** Adds a term to the filter. */
  onFilter: (term: string) => void;
  onSurroundings: () => void;
}

/** A whole line: its text, attributes, where it was logged, and what can be done with it. */
export function LineDetail({ project, line, onFilter, onSurroundings }: LineDetailProps) {
  const t = useT();
  const { format } = useLocale();
  const range = useRange();
  const filterButton = (name: string, term: string) => (
    <button
      type="button"
      className="icon-button-small logs-filter-by"
      title={t('logs.filterBy', { name })}
      aria-label={t('logs.filterBy', { name })}
      onClick={() => onFilter(term)}
    >
      <Icon name="search" size="tiny" />
    </button>
  );
  const attributeFilter = (name: string, value: unknown) => {
    const text = String(value);
    const isPlain = ['string', 'number', 'boolean'].includes(typeof value) && text !== '' && text.length <= MAX_FILTER_VALUE;
    return isPlain ? filterButton(name, fieldTerm(attributeField(name), text)) : null;
  };
  return (
    <div className="logs-detail">
      <div className="logs-actions">
        {line.trace_id !== null && (
          <Link className="button" {...traceTarget(project, line)}>
            <Icon name="traces" size="small" />
            {t('issues.openTrace')}
          </Link>
        )}
        {line.issue_id !== null && (
          <Link className="button" {...issueTarget(project, line, range)}>
            <Icon name="issues" size="small" />
            {t('trace.openIssue')}
          </Link>
        )}
        <button type="button" className="button" title={t('logs.surroundingsWhy')} onClick={onSurroundings}>
          <Icon name="fold" size="small" />
          {t('logs.surroundings')}
        </button>
        <CopyButton text={lineText(line)} label={t('logs.copyLine')} />
        <CopyButton icon="link" text={() => linkTo(line)} label={t('logs.copyLink')} />
      </div>
      <pre className="logs-text" tabIndex={0} aria-label={t('logs.text')}>
        {line.messages_hidden ? <HiddenMessage /> : <UserText text={line.body} />}
      </pre>
      <dl className="log-attributes">
        <div>
          <dt>{t('logs.time')}</dt>
          <dd>
            {format.exact(line.time)} {format.zone}
          </dd>
        </div>
        {line.trace_id !== null && (
          <div>
            <dt>{t('logs.trace')}</dt>
            <dd>
              <code>{line.trace_id}</code>
              {filterButton(t('logs.trace'), fieldTerm('trace', line.trace_id))}
            </dd>
          </div>
        )}
        {line.span_id !== null && (
          <div>
            <dt>{t('logs.span')}</dt>
            <dd>
              <code>{line.span_id}</code>
              {filterButton(t('logs.span'), fieldTerm('span', line.span_id))}
            </dd>
          </div>
        )}
      </dl>
      <h3>{t('logs.attributes')}</h3>
      <LogAttributes attributes={line.attributes} action={attributeFilter} />
    </div>
  );
}

/** The address of a line in the list as it is filtered now. */
function linkTo({ log_id: line, time }: ListedLogLine): string {
  const address = new URL(window.location.href);
  address.searchParams.set('line', line);
  address.searchParams.set('at', time);
  return address.href;
}
