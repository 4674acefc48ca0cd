import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { chosenFacetsQuery, type Scope, type Select } from '../../api/queries';
import type { Facet } from '../../api/types';
import { useT, type T, type TextKey } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { findingName } from '../../components/findings/labels';
import { Icon } from '../../components/icons';
import { NumberWithUnit, UserText, Swatch } from '../../components/values';
import { joinFilters, selectedValues, fieldTerm, toggleValue, withoutField } from '../../filter-query';
import { useLocale } from '../../locale';

const FACET_FIELDS: [string, TextKey][] = [
  ['status', 'traces.status'],
  ['finding', 'traces.findings'],
  ['pipeline', 'traces.pipeline'],
  ['model', 'traces.model'],
  ['provider', 'traces.provider'],
  ['environment', 'traces.environment'],
  ['user', 'traces.user'],
];
/** Facts of whole traces, which spans do not have. */
const FIELDS_OF_TRACES = ['finding'];
const MAX_SHOWN = 6;
/** The counts follow new traces at leisure. */
const REFRESH_MS = 60_000;

interface FacetListProps {
  project: number;
  of: Select;
  scope: Scope;
  q: string;
  onChange: (q: string) => void;
}

/** What there is to narrow to, with its size behind each label. */
export function FacetList({ project, of, scope, q, onChange }: FacetListProps) {
  const t = useT();
  return (
    <>
      <p className="text-dim text-small traces-facets-unit">{t(of === 'traces' ? 'traces.countedTraces' : 'traces.countedSpans')}</p>
      {FACET_FIELDS.filter(([field]) => of === 'traces' || !FIELDS_OF_TRACES.includes(field)).map(([field, label]) => (
        <FacetGroup key={field} project={project} of={of} scope={scope} field={field} label={label} q={q} onChange={onChange} />
      ))}
    </>
  );
}

interface FacetGroupProps extends FacetListProps {
  field: string;
  label: TextKey;
}

function FacetGroup({ project, of, scope, field, label, q, onChange }: FacetGroupProps) {
  const t = useT();
  const { format } = useLocale();
  const [open, setOpen] = useState(true);
  const others = withoutField(q, field);
  const { wanted, unwanted } = selectedValues(q, field);
  const { data } = useQuery({
    ...chosenFacetsQuery(
      project,
      { from: scope.from, to: scope.to, q: others || undefined },
      of,
      field,
      [...wanted, ...unwanted],
      MAX_SHOWN,
    ),
    meta: { live: false },
    refetchInterval: REFRESH_MS,
    enabled: open,
  });
  const { of: colorOf } = useModelColors(project);
  const values = withSelectedValues(data?.values ?? [], [...wanted, ...unwanted]);
  if (values.length === 0) return null;
  const largest = Math.max(1, ...values.map(({ count }) => count));
  return (
    <section>
      <h3>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t(label)}
          <Icon name={open ? 'down' : 'right'} size="tiny" />
        </button>
      </h3>
      {open && (
        <ul>
          {values.map(({ value, count }) => {
            const out = unwanted.includes(value);
            const name = valueName(t, field, value);
            return (
              <li key={value} className={out ? 'is-excluded' : undefined}>
                <label>
                  <input type="checkbox" checked={wanted.includes(value)} onChange={() => onChange(toggleValue(q, field, value))} />
                  {field === 'model' && <Swatch color={colorOf(value)} />}
                  <span className="ellipsis" title={value}>
                    <UserText text={name} />
                  </span>
                </label>
                {!out && !wanted.includes(value) && (
                  <button
                    type="button"
                    className="traces-facet-exclude"
                    title={t('traces.exclude', { name })}
                    aria-label={t('traces.exclude', { name })}
                    onClick={() => onChange(joinFilters(q, `-${fieldTerm(field, value)}`))}
                  >
                    {t('traces.negated')}
                  </button>
                )}
                <em title={t(of === 'traces' ? 'common.traces' : 'common.spans', { n: format.count(count) })}>
                  {count > 0 ? <NumberWithUnit v={format.tokensCell(count)} /> : ''}
                </em>
                <i style={{ width: `${(count / largest) * 100}%` }} />
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

const statusText = (value: string): TextKey =>
  value === 'error' ? 'status.error' : value === 'cancelled' ? 'status.cancelled' : 'status.ok';

/** A value in words, where the program did not choose it. */
function valueName(t: T, field: string, value: string): string {
  if (field === 'status') return t(statusText(value));
  return field === 'finding' ? findingName(t, value) : value;
}

/** What is chosen is there to be let go, also where nothing has it. */
export function withSelectedValues(values: Facet[], names: string[]): Facet[] {
  const there = new Set(values.map(({ value }) => value));
  return [...values, ...names.filter((name) => !there.has(name)).map((value) => ({ value, count: 0 }))];
}
