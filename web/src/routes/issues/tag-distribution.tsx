import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { issueTagsQuery, type Scope } from '../../api/queries';
import type { IssueEvent, IssueTag } from '../../api/types';
import { ErrorMessage, Skeleton } from '../../components/states';
import { ShareBar } from '../../components/values';
import { selectedValues, toggleValue } from '../../filter-query';
import { useT, type T, type TextKey } from '../../i18n';
import { useLocale } from '../../locale';
import { splitTags, tagField, tagValueOf } from './tag-field';

/** Values of a tag that are shown before the rest is asked for. */
const MAX_FOLDED_VALUES = 3;
/** Tags that are shown before the rest is asked for. */
const MAX_FOLDED_TAGS = 8;

const NAMES: Partial<Record<string, TextKey>> = {
  user: 'issues.user',
  release: 'issues.release',
  environment: 'issues.environment',
  dist: 'issues.dist',
  level: 'issues.level',
  transaction: 'issues.transaction',
  server_name: 'issues.serverName',
  logger: 'issues.logger',
  handled: 'issues.handledTag',
  mechanism: 'issues.mechanism',
  runtime: 'issues.runtime',
  os: 'issues.system',
  browser: 'issues.browser',
  device: 'issues.device',
  url: 'issues.url',
};

function tagName(key: string, t: T): string {
  const name = Object.hasOwn(NAMES, key) ? NAMES[key] : undefined;
  return name ? t(name) : key;
}

interface TagDistributionProps {
  project: number;
  issue: number;
  scope: Scope;
  /** Number of events in the scope. */
  total: number;
  shown: IssueEvent | undefined;
}

/** How often each tag has which value over all events of the issue; the values of the event that is shown are marked. */
export function TagDistribution({ project, issue, scope, total, shown }: TagDistributionProps) {
  const t = useT();
  const [all, setAll] = useState(false);
  const { data, error, refetch } = useQuery(issueTagsQuery(project, issue, scope));
  const { varied, same } = splitTags(data?.tags ?? [], data?.events ?? 0);
  const count = varied.length + same.length;
  const few = <Tag,>(tags: Tag[]) => (all ? tags : tags.slice(0, MAX_FOLDED_TAGS));
  const hidden = count - few(varied).length - few(same).length;
  if (data && count === 0) return null;
  const partial = data !== undefined && data.events < total;
  const note = scope.q ? 'issues.distributionFiltered' : 'issues.distributionWhy';
  return (
    <section className="pane issues-tags" aria-label={t('issues.distribution')}>
      <div className="section-head">
        <h2>{t('issues.distribution')}</h2>
        <span className="section-note">{partial ? t('issues.distributionNewest', { n: data.events }) : t(note)}</span>
      </div>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={6} height={24} />}
      {few(varied).map((tag) => (
        <TagValues key={tag.key} tag={tag} q={scope.q ?? ''} own={shown && tagValueOf(shown, tag.key)} />
      ))}
      {same.length > 0 && (
        <div className="issues-tag">
          {varied.length > 0 && <h3>{t('issues.sameInAll')}</h3>}
          <dl className="issues-same-tags">
            {few(same).map(({ key, values: [first] }) => (
              <div key={key}>
                <dt className="ellipsis">{tagName(key, t)}</dt>
                <dd className="ellipsis">{first?.value}</dd>
              </div>
            ))}
          </dl>
        </div>
      )}
      {hidden > 0 && (
        <button type="button" className="action-link text-small" onClick={() => setAll(true)}>
          {t('issues.showAllTags', { n: count })}
        </button>
      )}
    </section>
  );
}

interface TagValuesProps {
  tag: IssueTag;
  q: string;
  /** The value that the event has which is shown. */
  own: string | null | undefined;
}

function TagValues({ tag, q, own }: TagValuesProps) {
  const t = useT();
  const { format } = useLocale();
  const [open, setOpen] = useState(false);
  const { key, count, distinct, values } = tag;
  const field = tagField(key);
  const { wanted } = selectedValues(q, field);
  const listed = open ? values : values.slice(0, MAX_FOLDED_VALUES);
  const others = count - listed.reduce((sum, one) => sum + one.count, 0);
  return (
    <div className="issues-tag">
      <h3>
        <span className="ellipsis">{tagName(key, t)}</span>
        {distinct > 1 && <span className="text-dim">{t('issues.distinct', { n: distinct })}</span>}
      </h3>
      <ul>
        {listed.map(({ value, count: part }) => {
          const classes = ['issues-tag-value', value === own && 'is-own', wanted.includes(value) && 'is-selected'].filter(Boolean).join(' ');
          return (
            <li key={value}>
              <Link
                className={classes}
                to="."
                title={value === own ? t('issues.ofThisEvent') : undefined}
                search={(was) => ({ ...was, q: toggleValue(q, field, value) || undefined, event: undefined, at: undefined })}
              >
                <span className="ellipsis">{value}</span>
                <ShareBar of={part / count} />
                <span className="numeric" title={t('issues.events', { n: part })}>
                  {format.count(part)}
                </span>
                <span className="numeric">
                  {format.percentText(part / count)} <span className="unit">%</span>
                </span>
              </Link>
            </li>
          );
        })}
      </ul>
      {others > 0 &&
        (listed.length < values.length ? (
          <button type="button" className="issues-tag-more action-link" onClick={() => setOpen(true)}>
            {t('issues.moreValues', { n: distinct - listed.length })}
          </button>
        ) : (
          <p className="issues-tag-more text-dim">{t('issues.otherValues', { n: Math.max(1, distinct - listed.length) })}</p>
        ))}
    </div>
  );
}
