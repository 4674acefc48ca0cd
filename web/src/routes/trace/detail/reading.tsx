import type { Reading, SpanDetail } from '../../../api/types';
import { useT, type T } from '../../../i18n';
import { Chip, Said } from '../../../parts/values';
import { useReader } from '../../../reader';

/** Where a field stands in the answer, for those whose names are not their own path. */
const PATHS: Record<string, string> = {
  session: 'session_id',
  user: 'user_id',
  input: 'input_messages',
  output: 'output_messages',
  client_cost: 'cost.client_total',
};

/** The value that a field has here; null where it is not one to be shown in a line. */
export function valueAt(detail: SpanDetail, field: string): string | number | boolean | null {
  let value: unknown = detail;
  for (const step of (PATHS[field] ?? field).split('.')) {
    if (typeof value !== 'object' || value === null) return null;
    value = (value as Record<string, unknown>)[step];
  }
  if (Array.isArray(value)) return value.length > 0 && value.every((one) => typeof one === 'string') ? value.join(', ') : null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

/** What was concluded is said in words; an attribute has no spaces. */
const isInferred = ({ from }: Reading) => /\s/.test(from);

function inferredFrom(t: T, from: string): string {
  if (from === 'the instrumentation') return t('trace.from.instrumentation');
  if (from === 'the vendor of the model') return t('trace.from.vendor');
  return from;
}

/** Each figure of the span, and the attribute that it came from. */
export function ReadingTab({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useReader();
  const readings = detail.reading ?? [];
  const { usage } = detail;
  const checks =
    typeof usage?.input_tokens === 'number' && typeof usage.output_tokens === 'number' && typeof usage.total_tokens === 'number';
  const sum = checks ? usage.input_tokens! + usage.output_tokens! : 0;
  if (readings.length === 0) return <p className="dim small pad">{t('trace.noReading')}</p>;
  return (
    <>
      <p className="dim small">{t('trace.readingWhy')}</p>
      <table className="tbl how">
        <thead>
          <tr>
            <th scope="col">{t('trace.here')}</th>
            <th scope="col">{t('trace.value')}</th>
            <th scope="col">{t('trace.readFrom')}</th>
          </tr>
        </thead>
        <tbody>
          {readings.map((reading, at) => {
            const value = valueAt(detail, reading.field);
            return (
              <tr key={`${reading.field} ${at}`}>
                <td>{reading.field}</td>
                <td>
                  {value === null ? (
                    <span className="dim">{t('trace.shownElsewhere')}</span>
                  ) : (
                    <b>
                      {typeof value === 'number' ? (
                        reading.field.includes('cost') ? (
                          format.moneyExact(value)
                        ) : (
                          format.count(value)
                        )
                      ) : (
                        <Said text={String(value).slice(0, 300)} />
                      )}
                    </b>
                  )}
                </td>
                <td>
                  {isInferred(reading) ? (
                    <>
                      <Chip tone="wrn">{t('trace.inferred')}</Chip> {inferredFrom(t, reading.from)}
                    </>
                  ) : (
                    <code>{reading.from}</code>
                  )}
                </td>
              </tr>
            );
          })}
          {checks && (
            <tr>
              <td>{t('trace.totalCheck')}</td>
              <td>
                <b>
                  {format.count(usage.input_tokens!)} + {format.count(usage.output_tokens!)} = {format.count(sum)}
                </b>
              </td>
              <td>
                {sum === usage.total_tokens ? (
                  t('trace.totalSame')
                ) : (
                  <Chip tone="wrn">{t('trace.totalOther', { n: format.count(usage.total_tokens!) })}</Chip>
                )}
              </td>
            </tr>
          )}
          {detail.cost?.price && (
            <tr>
              <td>{t('trace.priceLabel')}</td>
              <td>
                <b>{detail.cost.price}</b>
              </td>
              <td>{t('trace.fromTable')}</td>
            </tr>
          )}
        </tbody>
      </table>
    </>
  );
}
