import { useMemo, useState } from 'react';
import { Icon } from '../../components/icons';
import { oneLineSummary } from '../../components/text/json';
import { Chip, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';

/** Members of an object or a list that are shown before the rest is asked for. */
const MAX_SHOWN_MEMBERS = 50;
/** What the server puts in place of a sensitive value. */
const FILTERED = '[Filtered]';

type Entry = [name: string, value: unknown];

const entriesOf = (value: object): Entry[] =>
  Array.isArray(value) ? value.map((item, at): Entry => [String(at), item]) : Object.entries(value);

/** A value that a program sent: texts as they are, objects and lists folded. */
export function StructuredValue({ value }: { value: unknown }) {
  const t = useT();
  if (typeof value === 'object' && value !== null) return <FoldedValue value={value} />;
  if (typeof value !== 'string') return <code className="json-number">{String(value)}</code>;
  if (value === FILTERED) return <Chip title={t('issues.filteredWhy')}>{t('issues.filtered')}</Chip>;
  if (value === '') return <code className="text-dim">&quot;&quot;</code>;
  return (
    <code className="issues-text line-clamp">
      <UserText text={value} />
    </code>
  );
}

function FoldedValue({ value }: { value: object }) {
  const { format } = useLocale();
  const [open, setOpen] = useState(false);
  const entries = entriesOf(value);
  const summary = useMemo(() => oneLineSummary(JSON.stringify(value), 160), [value]);
  const [left, right] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) return <code className="text-dim">{left + right}</code>;
  return (
    <div className="issues-folded-value">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="tiny" />
        <code className="text-dim">
          {left}
          {format.count(entries.length)}
          {right}
        </code>
        {!open && <code className="text-medium ellipsis">{summary}</code>}
      </button>
      {open && <StructuredTable entries={entries} />}
    </div>
  );
}

/** Names with values. */
export function StructuredTable({ entries }: { entries: Entry[] }) {
  const t = useT();
  const [all, setAll] = useState(false);
  const shown = all ? entries : entries.slice(0, MAX_SHOWN_MEMBERS);
  return (
    <>
      <dl className="issues-values">
        {shown.map(([name, value], at) => (
          // A list of pairs may have a name twice.
          <div key={`${at} ${name}`}>
            <dt className="monospace" dir="auto">
              {name}
            </dt>
            <dd>
              <StructuredValue value={value} />
            </dd>
          </div>
        ))}
      </dl>
      {shown.length < entries.length && (
        <button type="button" className="action-link text-small" onClick={() => setAll(true)}>
          {t('issues.showAll', { n: entries.length })}
        </button>
      )}
    </>
  );
}
