import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { IssueEvent } from '../../api/types';
import { UserText } from '../../components/values';
import { fieldTerm, toggleValue } from '../../filter-query';
import { useT } from '../../i18n';
import { useRange } from '../../locale';
import { rangeAround } from '../../range';
import { requestLine } from './request-parts';
import { tagField } from './tag-field';

const textOf = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** Name and version of a context such as `runtime`. */
function contextName(event: IssueEvent, name: string): string {
  const context = event.contexts[name];
  if (typeof context !== 'object' || context === null) return '';
  const { name: own, version, model } = context as Record<string, unknown>;
  return [textOf(own) || textOf(model), textOf(version)].filter(Boolean).join(' ');
}

/** Who met the error, where, and in which version: what is asked first. */
export function EventHighlights({ project, event }: { project: string; event: IssueEvent }) {
  const t = useT();
  const range = useRange();
  const user = textOf(event.user?.email) || textOf(event.user?.username) || event.user_id || textOf(event.user?.ip_address);
  const filtered = (key: string, value: string, text = value) => (
    <Link
      className="text-link"
      to="."
      search={(was) => ({ ...was, q: toggleValue(was.q ?? '', tagField(key), value) || undefined, event: undefined, at: undefined })}
      title={t('issues.eventsWithTag')}
    >
      {text}
    </Link>
  );
  const traces = (field: string, name: string, value: string) => (
    <Link
      className="text-link issues-all-traces"
      to="/p/$project/traces"
      params={{ project }}
      search={{ q: fieldTerm(field, value), ...rangeAround(range, Date.parse(event.time)) }}
      aria-label={t('issues.allTracesWith', { name, value })}
      title={t('issues.allTracesWith', { name, value })}
    >
      {t('issues.allTraces')}
    </Link>
  );
  const named = (field: 'user' | 'environment' | 'release', value: string | null, text?: string): [string, ReactNode, ReactNode?] => {
    const name = t(`issues.${field}`);
    return [name, value && filtered(field, value, text), value && traces(field, name, value)];
  };
  const facts: [string, ReactNode, ReactNode?][] = [
    event.user_id === null ? [t('issues.user'), user] : named('user', event.user_id, user ?? event.user_id),
    named('environment', event.environment),
    named('release', event.release),
    [t('issues.transaction'), event.transaction && filtered('transaction', event.transaction)],
    [t('issues.request'), event.request && requestLine(event.request)],
    [t('issues.browser'), contextName(event, 'browser')],
    [t('issues.device'), contextName(event, 'device')],
    [t('issues.system'), contextName(event, 'os')],
    [t('issues.runtime'), contextName(event, 'runtime')],
    [t('issues.serverName'), event.server_name && filtered('server_name', event.server_name)],
  ];
  const shown = facts.filter(([, value]) => value);
  if (shown.length === 0) return null;
  return (
    <dl className="issues-highlights">
      {shown.map(([name, value, more]) => (
        <div key={name}>
          <dt>
            {name} {more}
          </dt>
          <dd className="ellipsis">{typeof value === 'string' ? <UserText text={value} /> : value}</dd>
        </div>
      ))}
    </dl>
  );
}
