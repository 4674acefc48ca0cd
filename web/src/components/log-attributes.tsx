import type { ReactNode } from 'react';
import { useT } from '../i18n';
import { UserText } from './values';

interface LogAttributesProps {
  attributes: Readonly<Record<string, unknown>>;
  /** What can be done with an attribute. */
  action?: (name: string, value: unknown) => ReactNode;
}

/** The attributes of a log line as the client sent them. */
export function LogAttributes({ attributes, action }: LogAttributesProps) {
  const t = useT();
  const entries = Object.entries(attributes);
  if (entries.length === 0) return <p className="text-dim">{t('trace.noAttributes')}</p>;
  return (
    <dl className="log-attributes">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <UserText text={typeof value === 'string' ? value : JSON.stringify(value)} />
            {action?.(name, value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}
