import { useEffect, useId, useRef, useState, type FormEvent } from 'react';
import { useSetPrice } from '../../api/queries';
import type { BucketName } from '../../api/types';
import { useT } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { emptyPriceDraft, UNIT_BUCKETS, priceOf, TOKEN_BUCKETS, type Problem } from './price-draft';
import { unitKey } from './custom-prices';

/** Sets a price. With a model given, the rest is filled in and the first price waits for its number. */
export function PriceForm({ project, model, provider }: { project: number; model?: string; provider?: string }) {
  const t = useT();
  const set = useSetPrice(project);
  const [draft, setDraft] = useState(() => emptyPriceDraft(model, provider));
  const [problem, setProblem] = useState<Problem | null>(null);
  const first = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => {
    if (!model) return;
    first.current?.scrollIntoView({ block: 'center' });
    first.current?.focus();
  }, [model]);

  const change = (patch: Partial<typeof draft>) => {
    setDraft({ ...draft, ...patch });
    setProblem(null);
    set.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const price = priceOf(draft);
    if ('key' in price) setProblem(price);
    else set.mutate(price, { onSuccess: () => setDraft(emptyPriceDraft()) });
  };
  const field = (bucket: BucketName) => (
    <label key={bucket} className="settings-price-field">
      <span>{t(unitKey(bucket))}</span>
      <input
        className="field"
        inputMode="decimal"
        ref={bucket === 'input' ? first : undefined}
        value={draft.prices[bucket] ?? ''}
        onChange={(event) => change({ prices: { ...draft.prices, [bucket]: event.target.value } })}
      />
    </label>
  );
  const text = (name: 'model' | 'provider' | 'tier' | 'above' | 'from', label: string, hint: string, short = false) => (
    <label className={short ? 'settings-price-field' : 'settings-price-field settings-price-field-long'}>
      <span>{label}</span>
      <input
        className="field"
        value={draft[name]}
        placeholder={hint}
        maxLength={200}
        inputMode={name === 'above' ? 'numeric' : undefined}
        onChange={(event) => change({ [name]: event.target.value })}
      />
    </label>
  );

  return (
    <form className="settings-price-form" onSubmit={submit} aria-labelledby={id}>
      <h3 id={id}>{t('prices.add')}</h3>
      <div className="settings-price-row">
        {text('model', t('prices.model'), t('prices.modelHint'))}
        {text('provider', t('prices.provider'), t('prices.anyProvider'), true)}
        {text('from', t('prices.firstDay'), t('prices.firstDayHint'), true)}
      </div>
      <fieldset>
        <legend>{t('prices.perMillion')}</legend>
        <div className="settings-price-row">{TOKEN_BUCKETS.slice(0, 2).map(field)}</div>
      </fieldset>
      <details>
        <summary>{t('prices.more')}</summary>
        <p className="text-dim">{t('prices.moreWhy')}</p>
        <fieldset>
          <legend>{t('prices.perMillion')}</legend>
          <div className="settings-price-row">{TOKEN_BUCKETS.slice(2).map(field)}</div>
        </fieldset>
        <fieldset>
          <legend>{t('prices.perUnit')}</legend>
          <div className="settings-price-row">{UNIT_BUCKETS.map(field)}</div>
        </fieldset>
        <fieldset>
          <legend>{t('prices.perHour')}</legend>
          <div className="settings-price-row">{field('hour')}</div>
        </fieldset>
        <div className="settings-price-row">
          {text('tier', t('prices.tier'), t('prices.tierHint'))}
          {text('above', t('prices.above'), t('prices.tokensOfInput'))}
        </div>
      </details>
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={set.isPending}>
          {t('prices.set')}
        </button>
        <span role="status" className={problem ? 'text-error' : 'text-success'}>
          {problem ? t(problem.key, { text: problem.text ?? '' }) : set.isSuccess ? t('prices.priceSet') : ''}
        </span>
        {set.isSuccess && (
          <a className="action-link" href="#reprice">
            {t('prices.repriceShort')}
          </a>
        )}
      </div>
      {set.error && <ErrorMessage error={set.error} title={t('common.notSaved')} />}
    </form>
  );
}
