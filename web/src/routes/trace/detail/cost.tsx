import { Link } from '@tanstack/react-router';
import { Fragment, useMemo, type ReactNode } from 'react';
import { usageOf } from '../../../api/status';
import type { BucketName, CostBucket, SpanDetail, Usage } from '../../../api/types';
import { MINUS } from '../../../format';
import { useT, type TextKey } from '../../../i18n';
import { Chip, Swatch, UnknownValue } from '../../../components/values';
import { useLocale } from '../../../locale';
import { useTraceView } from '../context';
import { isModelCall, type SpanNode } from '../model/tree';

/** Of a million tokens; of a request, for one. Two decimals, or as many as it needs. */
function BucketPrice({ of }: { of: CostBucket }) {
  const t = useT();
  const { format } = useLocale();
  if (isPricedEach(of.bucket)) return t('trace.priceEach', { price: format.moneyExact(of.usd_per_million / 1e6) });
  // A price for an hour, of which a million microseconds are the 3,600th part.
  if (of.bucket === 'hour') return t('trace.perHour', { price: format.moneyExact(of.usd_per_million * 3600) });
  // An hour of audio, which is counted in milliseconds.
  if (of.bucket === 'audio_hour') return t('trace.perHour', { price: format.moneyExact(of.usd_per_million * 3.6) });
  const usd = of.usd_per_million;
  return Math.abs(usd * 100 - Math.round(usd * 100)) < 1e-9 ? `$${format.fixed(usd, 2)}` : format.moneyExact(usd);
}

/** What is no token and has a price for each. */
const PRICED_EACH: readonly BucketName[] = ['request', 'web_search', 'image', 'rerank_unit'];
const isPricedEach = (bucket: BucketName) => PRICED_EACH.includes(bucket);
/** What is counted in time: how many of its units are a second. */
const PER_SECOND: Partial<Record<BucketName, number>> = { hour: 1e6, audio_hour: 1e3 };

/** How many; of time, how long. */
function BucketAmount({ bucket, n }: { bucket: BucketName; n: number }) {
  const t = useT();
  const { format } = useLocale();
  const perSecond = PER_SECOND[bucket];
  return perSecond ? t('trace.seconds', { n: format.threeDigits(n / perSecond) }) : format.count(n);
}

/** All that was charged, so that the eye can follow the sum: seven decimals where amounts are tiny. */
function useBucketFormat(buckets: CostBucket[]) {
  const { format } = useLocale();
  const smallest = Math.min(...buckets.map(({ amount }) => amount).filter((amount) => amount > 0));
  const digits = smallest >= 1 ? 2 : Math.min(10, Math.max(4, Math.ceil(-Math.log10(smallest)) + 2));
  return (usd: number) => `$${format.fixed(usd, digits)}`;
}

/** `26 × $0.50/M + 217 × $1.50/M = $0.0003385`, below the answer. */
export function CostFormula({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useLocale();
  const { project } = useTraceView();
  const { cost } = detail;
  const usage = usageOf(detail);
  const buckets = (cost?.buckets ?? []).filter(({ tokens }) => tokens > 0);
  const amount = useBucketFormat(buckets);
  if (!isModelCall(detail)) return null;
  const second = format.secondCurrency(cost?.total ?? null, project.currency);
  return (
    <section className="trace-cost-sum">
      <h3>{t('trace.costTitle')}</h3>
      {cost?.total === null || cost === null ? (
        <UnknownCostReason detail={detail} />
      ) : (
        <>
          {buckets.length > 0 && cost.source === 'computed' ? (
            <p>
              {buckets.map((one, at) => (
                <Fragment key={one.bucket}>
                  <span>
                    {at > 0 && '+ '}
                    {buckets.length > 1 && <i className="text-dim">{t(bucketKey(one.bucket))} </i>}
                    <BucketAmount bucket={one.bucket} n={one.tokens} /> × <BucketPrice of={one} />
                    {isPricedEach(one.bucket) || PER_SECOND[one.bucket] ? '' : '/M'}
                  </span>{' '}
                </Fragment>
              ))}
              {buckets.length > 1 && (
                <>
                  {buckets.map((one, at) => (
                    <Fragment key={one.bucket}>
                      <span>
                        {at === 0 ? '= ' : '+ '}
                        {amount(one.amount)}
                      </span>{' '}
                    </Fragment>
                  ))}
                </>
              )}
              <span>
                = <b>{format.moneyExact(cost.total)}</b>
              </span>
            </p>
          ) : (
            <p>
              <b>{format.moneyExact(cost.total)}</b>
            </p>
          )}
          <p className="text-dim">
            {[
              second && t('common.about', { amount: second }),
              cost.source === 'client' ? t('trace.clientCostNote') : cost.price && t('trace.priceUsed', { price: cost.price }),
              usage && t(usage.source === 'estimated' ? 'trace.estimatedByUs' : 'trace.reportedByClient'),
            ]
              .filter(Boolean)
              .join('; ')}
          </p>
        </>
      )}
    </section>
  );
}

/** Why there is no figure, and what would give one. */
function UnknownCostReason({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const untold = usageOf(detail) === null;
  const key: TextKey =
    detail.status !== 'ok' && untold
      ? 'trace.unknown.failed'
      : untold
        ? 'trace.unknown.tokens'
        : detail.model
          ? 'trace.unknown.price'
          : 'trace.unknown.model';
  return (
    <p>
      <UnknownValue /> {t(key, { model: detail.model ?? '' })}{' '}
      {key === 'trace.unknown.price' && (
        <Link
          className="section-link"
          to="/settings"
          search={{ project: String(detail.project_id), price: detail.model ?? undefined, provider: detail.provider ?? undefined }}
        >
          {t('trace.setPrice')}
        </Link>
      )}
    </p>
  );
}

const bucketKey = (bucket: BucketName): TextKey => `trace.bucket.${bucket}`;

interface BucketLine {
  bucket: BucketName;
  tokens: number | null;
  priced: CostBucket | null;
}

/** A line for each bucket that was charged, and for those that every call has, known or not. */
export function bucketLinesOf(usage: Usage | null, buckets: CostBucket[]): BucketLine[] {
  const priced = new Map(buckets.map((one) => [one.bucket, one]));
  const line = (bucket: BucketName, tokens: number | null): BucketLine => ({
    bucket,
    tokens: priced.get(bucket)?.tokens ?? tokens,
    priced: priced.get(bucket) ?? null,
  });
  const known = (value: number | null | undefined) => value ?? null;
  const read = known(usage?.cache_read_tokens);
  const written = known(usage?.cache_write_tokens);
  const reasoning = known(usage?.reasoning_tokens);
  const input = known(usage?.input_tokens);
  const output = known(usage?.output_tokens);
  const media = {
    input_audio: known(usage?.input_audio_tokens),
    input_image: known(usage?.input_image_tokens),
    output_audio: known(usage?.output_audio_tokens),
    output_image: known(usage?.output_image_tokens),
  };
  const rest = (whole: number | null, ...parts: (number | null)[]) =>
    whole === null
      ? null
      : Math.max(
          0,
          parts.reduce<number>((left, part) => left - (part ?? 0), whole),
        );
  const seconds = known(usage?.units.audio_seconds);
  const lines = [
    line('input', rest(input, read, written, media.input_audio, media.input_image)),
    line('cache_read', read),
    ...(priced.has('cache_write_1h') && !priced.has('cache_write_5m') ? [] : [line('cache_write_5m', written)]),
    line('cache_write_1h', null),
    line('input_audio', media.input_audio),
    line('input_image', media.input_image),
    line('output', rest(output, reasoning, media.output_audio, media.output_image)),
    line('reasoning', reasoning),
    line('output_audio', media.output_audio),
    line('output_image', media.output_image),
    line('request', null),
    line('web_search', known(usage?.units.searches)),
    line('image', known(usage?.units.images)),
    line('rerank_unit', known(usage?.units.rerank_units)),
    line('character', known(usage?.units.characters)),
    line('audio_hour', seconds === null ? null : seconds * 1e3),
    line('hour', null),
  ];
  const usual = new Set<BucketName>(['input', 'cache_read', 'cache_write_5m', 'output']);
  // What is rare is shown where there is some of it, also where it has no price: it is not free.
  return lines.filter(
    ({ bucket, tokens, priced: charged }) =>
      charged !== null || usual.has(bucket) || (bucket === 'reasoning' ? tokens !== null : tokens !== null && tokens > 0),
  );
}

export function CostTab({ detail, node }: { detail: SpanDetail; node: SpanNode }) {
  return isModelCall(detail) || (detail.counted && detail.cost !== null) ? <CallCost detail={detail} /> : <BelowCost node={node} />;
}

function CallCost({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useLocale();
  const { project } = useTraceView();
  const { cost } = detail;
  const usage = usageOf(detail);
  const buckets = cost?.buckets ?? [];
  const amount = useBucketFormat(buckets);
  const second = format.secondCurrency(cost?.total ?? null, project.currency);
  const told = usage !== null;
  return (
    <>
      {told && (
        <div className="horizontal-scroll">
          <table className="data-table trace-cost-table">
            <thead>
              <tr>
                <th scope="col">{t('trace.bucket')}</th>
                <th scope="col" className="numeric">
                  {t('trace.tokens')}
                </th>
                <th className="trace-cost-operator" aria-hidden="true" />
                <th scope="col" className="numeric">
                  {t('trace.perMillion')}
                </th>
                <th className="trace-cost-operator" aria-hidden="true" />
                <th scope="col" className="numeric">
                  {t('trace.amount')}
                </th>
              </tr>
            </thead>
            <tbody>
              {bucketLinesOf(usage, buckets).map(({ bucket, tokens, priced }) => (
                <tr key={bucket} className={priced ? undefined : 'text-dim'}>
                  <td>{t(bucketKey(bucket))}</td>
                  <td className="numeric">{tokens === null ? <UnknownValue /> : <BucketAmount bucket={bucket} n={tokens} />}</td>
                  <td className="trace-cost-operator">{priced ? '×' : ''}</td>
                  <td className="numeric">{priced ? <BucketPrice of={priced} /> : '–'}</td>
                  <td className="trace-cost-operator">{priced ? '=' : ''}</td>
                  <td className="numeric">
                    {priced ? <span title={format.moneyExact(priced.amount)}>{amount(priced.amount)}</span> : '–'}
                  </td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <td>
                  <b>{t('trace.total')}</b>
                </td>
                <td className="numeric">
                  <b>{usage.total_tokens === null ? <UnknownValue /> : format.count(usage.total_tokens)}</b>
                </td>
                <td aria-hidden="true" />
                <td aria-hidden="true" />
                <td aria-hidden="true" />
                <td className="numeric">
                  <b>{cost?.total === null || cost === null ? <UnknownValue /> : format.moneyExact(cost.total)}</b>
                </td>
              </tr>
              {second && project.currency && (
                <tr>
                  <td className="text-dim" colSpan={5}>
                    {t('trace.atRate', { rate: `${format.threeDigits(project.currency.rate)} ${project.currency.code}` })}
                  </td>
                  <td className="numeric text-dim">{t('common.about', { amount: second })}</td>
                </tr>
              )}
            </tfoot>
          </table>
        </div>
      )}
      {(cost === null || cost.total === null) && <UnknownCostReason detail={detail} />}
      <dl className="property-list">
        {cost?.price && (
          <>
            <dt>{t('trace.priceLabel')}</dt>
            <dd>
              <code>{cost.price}</code>
            </dd>
          </>
        )}
        <dt>{t('trace.tokens')}</dt>
        <dd>{told ? t(usage.source === 'estimated' ? 'trace.estimatedByUs' : 'trace.reportedByClient') : t('trace.notSent')}</dd>
        <dt>{t('trace.figure')}</dt>
        <dd>{cost === null ? <UnknownValue /> : t(cost.source === 'client' ? 'trace.clientCostNote' : 'trace.computedByUs')}</dd>
        <dt>{t('trace.clientCost')}</dt>
        <dd>
          <ClientCost
            ours={cost?.source === 'client' ? (cost.computed_total ?? null) : (cost?.total ?? null)}
            theirs={cost?.client_total ?? null}
          />
        </dd>
        {cost?.source === 'client' && (
          <>
            <dt>{t('trace.computedCost')}</dt>
            <dd>{typeof cost.computed_total === 'number' ? format.moneyExact(cost.computed_total) : <UnknownValue />}</dd>
          </>
        )}
        <dt>{t('trace.counted')}</dt>
        <dd>{detail.counted ? t('trace.countedYes') : t('trace.countedNo')}</dd>
      </dl>
    </>
  );
}

/** The client's own figure beside ours, with the difference where there is one, whichever of both is taken. */
function ClientCost({ ours, theirs }: { ours: number | null; theirs: number | null }): ReactNode {
  const t = useT();
  const { format } = useLocale();
  if (theirs === null) return <span className="text-dim">{t('trace.notSent')}</span>;
  if (ours === null) return format.moneyExact(theirs);
  const off = theirs - ours;
  if (Math.abs(off) <= Math.abs(ours) * 0.001) {
    return (
      <>
        {format.moneyExact(theirs)} <span className="text-dim">{t('trace.sameCost')}</span>
      </>
    );
  }
  const sign = off < 0 ? MINUS : '+';
  return (
    <>
      {format.moneyExact(theirs)}{' '}
      <Chip tone="warning">
        {sign}
        {format.moneyExact(Math.abs(off))}
        {ours > 0 && ` (${sign}${format.fixed((Math.abs(off) / ours) * 100, 1)} %)`}
      </Chip>
    </>
  );
}

interface ModelSum {
  model: string | null;
  calls: number;
  input: number;
  output: number;
  cost: number | null;
  unpriced: number;
}

/** What the calls below a span took, by model. */
export function sumsBelow(node: SpanNode): ModelSum[] {
  const sums = new Map<string | null, ModelSum>();
  const stack = [node];
  for (let one = stack.pop(); one; one = stack.pop()) {
    stack.push(...one.children);
    const { span } = one;
    if (!isModelCall(span) || !span.counted) continue;
    const sum = sums.get(span.model) ?? { model: span.model, calls: 0, input: 0, output: 0, cost: null, unpriced: 0 };
    sums.set(span.model, sum);
    sum.calls += 1;
    const usage = usageOf(span);
    sum.input += usage?.input_tokens ?? 0;
    sum.output += usage?.output_tokens ?? 0;
    const cost = span.cost?.total ?? null;
    if (cost !== null) sum.cost = (sum.cost ?? 0) + cost;
    else if (usage !== null && span.status !== 'error') sum.unpriced += 1;
  }
  return [...sums.values()].toSorted((a, b) => (b.cost ?? -1) - (a.cost ?? -1));
}

function BelowCost({ node }: { node: SpanNode }) {
  const t = useT();
  const { format } = useLocale();
  const { project, colorOf } = useTraceView();
  const { took } = node;
  const sums = useMemo(() => sumsBelow(node), [node]);
  const second = format.secondCurrency(took.cost, project.currency);
  return (
    <>
      <p className="text-dim text-small">{t('trace.belowWhy')}</p>
      <table className="data-table">
        <thead>
          <tr>
            <th scope="col">{t('traces.model')}</th>
            <th scope="col" className="numeric">
              {t('trace.calls')}
            </th>
            <th scope="col" className="numeric">
              {t('trace.input')}
            </th>
            <th scope="col" className="numeric">
              {t('trace.output')}
            </th>
            <th scope="col" className="numeric">
              {t('trace.cost')}
            </th>
          </tr>
        </thead>
        <tbody>
          {sums.map((sum) => (
            <tr key={sum.model}>
              <td>
                <span className="name-cell">
                  <Swatch color={colorOf(sum.model)} hatched={sum.cost === null && sum.unpriced > 0} />
                  {sum.model ?? t('common.noValue')}
                </span>
              </td>
              <td className="numeric">{format.count(sum.calls)}</td>
              <td className="numeric">{format.count(sum.input)}</td>
              <td className="numeric">{format.count(sum.output)}</td>
              <td className="numeric">
                {sum.cost === null ? <UnknownValue /> : <span title={format.moneyExact(sum.cost)}>{format.money(sum.cost)}</span>}
                {sum.cost !== null && sum.unpriced > 0 && <span className="unit">+</span>}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td>
              <b>{t('trace.total')}</b>
            </td>
            <td className="numeric">{format.count(took.llm_calls)}</td>
            <td className="numeric">{format.count(took.input_tokens)}</td>
            <td className="numeric">{format.count(took.output_tokens)}</td>
            <td className="numeric">
              <b>{took.cost === null ? <UnknownValue /> : <span title={format.moneyExact(took.cost)}>{format.money(took.cost)}</span>}</b>
            </td>
          </tr>
          {second && (
            <tr>
              <td className="numeric text-dim" colSpan={5}>
                {t('common.about', { amount: second })}
              </td>
            </tr>
          )}
        </tfoot>
      </table>
      {took.unpriced_calls > 0 && <p className="text-dim text-small">{t('trace.unpriced', { n: took.unpriced_calls })}</p>}
    </>
  );
}
