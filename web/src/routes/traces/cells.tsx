import type { CSSProperties, ReactNode } from 'react';
import type { ColorOf } from '../../colors';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { Duration, EstimatedMark, UserText, Swatch, UnknownValue } from '../../components/values';
import { useLocale } from '../../locale';

/** One line holds question and answer, each sure of its share; a failure stands in place of the answer. */
export function PromptAndAnswer({
  input,
  output,
  missing,
  failed,
  reason,
}: {
  input: string | null | undefined;
  output: string | null | undefined;
  /** Why there is no question, which a dash says on hover. */
  missing: string;
  failed?: string | null;
  /** Why it failed, in the words of the error. */
  reason?: string | null;
}) {
  return (
    <>
      {input ? (
        <UserText className="ellipsis traces-question" text={oneLine(input)} />
      ) : (
        <span className="text-dim" title={missing}>
          –
        </span>
      )}
      {(output || failed) && <Icon name="go" size="tiny" />}
      {failed ? (
        <span className="ellipsis traces-answer text-error" title={[reason && oneLine(reason), failed].filter(Boolean).join(' · ')}>
          {/* The type of the error comes first: it is what must not be cut off. */}
          {reason && <UserText text={oneLine(reason)} />} <b>{failed}</b>
        </span>
      ) : (
        output && <UserText className="ellipsis traces-answer text-dim" text={oneLine(output)} />
      )}
    </>
  );
}

const oneLine = (text: string) => text.slice(0, 300).replace(/\s+/g, ' ');

/** A swatch for each model, and the name of the first. */
export function ModelChip({ models, unpriced, colorOf }: { models: string[]; unpriced: boolean; colorOf: ColorOf }) {
  const [first] = models;
  if (first === undefined) return null;
  return (
    <span className="chip" title={models.join(', ')}>
      {models.slice(0, 4).map((model) => (
        <Swatch key={model} color={colorOf(model)} hatched={unpriced && models.length === 1} />
      ))}
      <span className="ellipsis">{first}</span>
      {models.length > 1 && <span className="text-dim">+{models.length - 1}</span>}
    </span>
  );
}

/** What was not priced is said, and a sum that lacks some has a plus. */
export function CostValue({
  cost,
  calls,
  missing,
  estimated = 0,
}: {
  cost: number | null;
  calls: number;
  missing: number;
  estimated?: number | undefined;
}) {
  const t = useT();
  const { format } = useLocale();
  if (cost === null) return calls > 0 ? <UnknownValue /> : <span className="text-dim">–</span>;
  const more = missing > 0 ? `, ${t('traces.unpricedCalls', { n: missing })}` : '';
  return (
    <span title={`${format.moneyExact(cost)}${more}`}>
      {estimated > 0 && <EstimatedMark calls={estimated} />}
      {format.money(cost)}
      {missing > 0 && <span className="unit">+</span>}
    </span>
  );
}

/** Where a duration stands between a tenth of a second and five minutes, on a logarithmic scale. */
export function logarithmicShare(ms: number): number {
  const [low, high] = [Math.log10(100), Math.log10(300_000)];
  return Math.max(0.02, Math.min(1, (Math.log10(Math.max(1, ms)) - low) / (high - low)));
}

export function DurationBar({ ms, failed }: { ms: number | null; failed: boolean }) {
  const t = useT();
  return (
    <>
      <i
        className={failed ? 'traces-duration-failed' : undefined}
        title={t('traces.logarithmicScale')}
        style={{ width: `${ms === null ? 0 : logarithmicShare(ms) * 100}%` }}
      />
      <em>
        <Duration ms={ms} />
      </em>
    </>
  );
}

export function TimeValue({ at }: { at: string }) {
  const { format } = useLocale();
  return (
    <time dateTime={at} title={`${format.exact(at)} ${format.zone}`}>
      {format.moment(at)}
    </time>
  );
}

/** What a column gives to each of its cells. */
export interface CellAttributes {
  className: string;
  style?: CSSProperties | undefined;
  'data-hidden-from'?: number | undefined;
}

export function Cell({
  className,
  modifier,
  children,
  ...rest
}: CellAttributes & { modifier?: string; title?: string; children?: ReactNode }) {
  return (
    <span role="cell" className={modifier ? `${className} ${modifier}` : className} {...rest}>
      {children}
    </span>
  );
}
