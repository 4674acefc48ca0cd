import type { Explanation, FieldRead, FieldSource, SpanDetail, Taken } from '../../../api/types';
import { useT } from '../../../i18n';
import { plain } from '../../../format';
import { Chip, UserText } from '../../../components/values';
import { useLocale } from '../../../locale';
import { useTraceView } from '../context';
import { exclusionKey } from '../model/exclusion';
import { isModelCall } from '../model/tree';
import { PropertyList } from './property-list';
import { SpanLink } from './span-notes';

/** An attribute by its name; what was concluded in words, with the way to the report that it is from. */
function FieldSourceText({ source }: { source: FieldSource }) {
  const t = useT();
  if (source.kind === 'attribute') return <code>{source.attribute}</code>;
  if (source.kind === 'attribute_prefix') return <code>{source.attribute}.N.…</code>;
  if (source.kind === 'mapping_rule') {
    return (
      <>
        {source.attribute !== null && <code>{source.attribute}</code>} {t('trace.from.mapping_rule', { rule: source.rule })}
      </>
    );
  }
  return (
    <>
      <Chip tone="warning">{t('trace.inferred')}</Chip> {t(`trace.from.${source.kind}`)}{' '}
      {'span_id' in source && <ReportLink span={source} />}
    </>
  );
}

function ReportLink({ span }: { span: { trace_id: string; span_id: string } }) {
  const { project } = useTraceView();
  return <SpanLink project={project.id} span={span} />;
}

/** How this was read: by which names, from which attributes, with which decisions, and what was left aside. */
export function ProvenanceTab({ detail }: { detail: SpanDetail }) {
  const told = detail.explanation;
  return (
    <>
      <SenderProperties detail={detail} told={told} />
      <FieldTable fields={told.fields} />
      <TokenReadings detail={detail} told={told} />
      <CostReadings told={told} />
      <IgnoredAttributes told={told} />
    </>
  );
}

function SenderProperties({ detail, told }: { detail: SpanDetail; told: Explanation }) {
  const t = useT();
  const { format } = useLocale();
  const shift = told.clock_shift_us / 1000;
  const time = plain(format.duration(Math.abs(shift)));
  const instrumentation = [detail.origin, told.instrumentation_version].filter(Boolean).join(' ');
  const said = (value: string | null) => value ?? t('reading.nothing');
  const counted = told.counted
    ? t('reading.isCounted')
    : detail.counted && !isModelCall(detail)
      ? t('reading.notACall')
      : `${t('common.no')}: ${t(exclusionKey(detail.exclusion))}`;
  return (
    <PropertyList
      lines={[
        [
          t('reading.conventions'),
          told.conventions.length === 0 ? (
            <span key="n" className="text-dim">
              {t('reading.noConvention')}
            </span>
          ) : (
            <ul key="n" className="trace-conventions">
              {told.conventions.map(({ name, attributes, examples }) => (
                <li key={name} title={examples.join('\n')}>
                  <b>{name}</b> <span className="text-dim">{t('reading.attributeCount', { n: attributes })}</span>
                </li>
              ))}
            </ul>
          ),
        ],
        detail.sdk !== null && [t('reading.sentBy'), [detail.sdk.name, detail.sdk.version].filter(Boolean).join(' ')],
        instrumentation !== '' && [t('reading.instrumentation'), <code key="i">{instrumentation}</code>],
        [t('reading.clock'), shift === 0 ? t('reading.clockRight') : t(shift > 0 ? 'reading.clockBehind' : 'reading.clockAhead', { time })],
        told.pieces > 0 && [t('reading.parts'), t('reading.partCount', { n: told.pieces })],
        [t('reading.summed'), counted],
        told.corrections.length > 0 && [
          t('reading.traceCorrections'),
          <ul key="c" className="trace-conventions">
            {told.corrections.map(({ field, alone, in_trace: now }) => (
              <li key={field}>{t('reading.correction', { field, now: said(now), alone: said(alone) })}</li>
            ))}
          </ul>,
        ],
      ]}
    />
  );
}

function FieldTable({ fields }: { fields: FieldRead[] }) {
  const t = useT();
  const { format } = useLocale();
  if (fields.length === 0) return null;
  const shown = ({ field, value }: FieldRead) => {
    if (value === null) return <span className="text-dim">{t('trace.shownElsewhere')}</span>;
    if (typeof value !== 'number') return <UserText text={String(value)} />;
    return field.includes('cost')
      ? format.moneyExact(value)
      : field === 'time_to_first_token'
        ? plain(format.duration(value))
        : format.count(value);
  };
  return (
    <section className="trace-detail-group">
      <h3>{t('reading.fields')}</h3>
      <p className="text-dim text-small">{t('trace.readingWhy')}</p>
      <table className="data-table trace-provenance">
        <thead>
          <tr>
            <th scope="col">{t('trace.field')}</th>
            <th scope="col">{t('trace.value')}</th>
            <th scope="col">{t('trace.readFrom')}</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={`${field.field} ${JSON.stringify(field.source)}`}>
              <td>{field.field}</td>
              <td>
                <b>{shown(field)}</b>
              </td>
              <td>
                <FieldSourceText source={field.source} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function TokenReadings({ detail, told }: { detail: SpanDetail; told: Explanation }) {
  const t = useT();
  const { format } = useLocale();
  const { usage } = detail;
  const input = usage?.input_tokens;
  const output = usage?.output_tokens;
  const total = usage?.total_tokens;
  const checks = isModelCall(detail) && typeof input === 'number' && typeof output === 'number' && typeof total === 'number';
  const taken = (one: Taken) => {
    const numbers = { sent: format.count(one.sent), special: format.count(one.special), whole: format.count(one.whole) };
    return (
      <>
        {t(`reading.${one.rule}`, numbers)} <span className="text-dim">({t(`reading.${one.because}`)})</span>
      </>
    );
  };
  return (
    <PropertyList
      title={t('reading.tokens')}
      lines={[
        told.input && [t('reading.inputSent'), taken(told.input)],
        told.output && [t('reading.outputSent'), taken(told.output)],
        checks && [
          t('trace.totalCheck'),
          <>
            {format.count(input)} + {format.count(output)} = {format.count(input + output)}{' '}
            {input + output === total ? (
              <span className="text-dim">({t('trace.totalSame')})</span>
            ) : (
              <Chip tone="warning">{t('trace.totalOther', { n: format.count(total) })}</Chip>
            )}
          </>,
        ],
      ]}
    />
  );
}

function CostReadings({ told }: { told: Explanation }) {
  const t = useT();
  const { format } = useLocale();
  const { cost } = told;
  if (!cost) return null;
  const difference = cost.client !== null && cost.computed !== null ? cost.client - cost.computed : null;
  const notes = [
    cost.price_from && t('reading.since', { date: cost.price_from }),
    cost.service_tier && t('reading.tier', { tier: cost.service_tier }),
    t('reading.tableOf', { date: cost.table_date }),
  ];
  return (
    <PropertyList
      title={t('reading.cost')}
      lines={[
        [
          t('trace.cost'),
          <>
            {cost.total !== null && <b>{format.moneyExact(cost.total)}</b>} {t(`reading.cost.${cost.because}`)}
          </>,
        ],
        cost.price !== null && [
          t('reading.price'),
          <>
            <code>{cost.price}</code> <span className="text-dim">({notes.filter(Boolean).join(', ')})</span>
          </>,
        ],
        cost.client !== null && [
          t('reading.clientCost'),
          <>
            {format.moneyExact(cost.client)}{' '}
            {difference !== null && Math.abs(difference) > 1e-9 && (
              <span className="text-dim">
                ({t('reading.difference', { amount: `${difference > 0 ? '+' : '−'}${format.moneyExact(Math.abs(difference))}` })})
              </span>
            )}
          </>,
        ],
      ]}
    />
  );
}

function IgnoredAttributes({ told }: { told: Explanation }) {
  const t = useT();
  if (told.ignored.length === 0) return null;
  return (
    <section className="trace-detail-group">
      <details className="trace-ignored-attributes">
        <summary>{t('reading.ignored', { n: told.ignored.length })}</summary>
        <table className="data-table trace-provenance">
          <tbody>
            {told.ignored.map(({ name, why, better }) => (
              <tr key={name}>
                <td>
                  <code>{name}</code>
                </td>
                <td className="text-dim">{better ? t('reading.otherAttributeFirst', { name: better }) : t(`reading.why.${why}`)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
