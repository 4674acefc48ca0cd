import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { channelsQuery } from '../../api/alerts';
import type { Language } from '../../api/types';
import { useT } from '../../i18n';
import { UserText } from '../../components/values';
import { Permitted } from '../../components/permission';
import { timeLengthText } from '../../shell/time-length';
import { SelectRow } from './form-fields';
import type { NotificationForm } from './rule-draft';
import { CHANNEL_TEXT } from './labels';

const ESCALATION_DELAYS = ['5m', '15m', '30m', '1h', '2h', '4h'];
const REMINDER_INTERVALS = ['', '15m', '30m', '1h', '4h', '1d'];

interface NotificationFieldsProps {
  project: number;
  /** The form that these fields are of, to come back to. */
  place: string;
  form: NotificationForm;
  set: (form: NotificationForm) => void;
}

/** Whom a rule or budget tells, and who is told when nobody reacts. */
export function NotificationFields({ project, place, form, set }: NotificationFieldsProps) {
  const t = useT();
  const { data } = useQuery(channelsQuery(project));
  const targets = data?.targets ?? [];
  const toggled = (list: number[], id: number) => (list.includes(id) ? list.filter((one) => one !== id) : [...list, id]);
  const boxes = (chosen: number[], change: (next: number[]) => void) =>
    targets.map(({ id, name, address }) => (
      <label key={id} className="checkbox-row">
        <input type="checkbox" checked={chosen.includes(id)} onChange={() => change(toggled(chosen, id))} />
        <UserText text={name} /> <span className="text-dim">{t(CHANNEL_TEXT[address.kind])}</span>
      </label>
    ));
  const newTarget = (
    <Permitted operation="post /api/v1/projects/{project}/alerts/targets" project={project}>
      <Link className="action-link" to="/p/$project/alerts/targets" params={{ project: String(project) }} search={{ back: place }}>
        {t('alerts.newTarget')}
      </Link>
    </Permitted>
  );
  if (data && targets.length === 0) {
    return (
      <>
        <span className="form-label">{t('alerts.notifications')}</span>
        <p>
          {t('alerts.noTargetsYet')} {newTarget}
        </p>
      </>
    );
  }
  return (
    <>
      <span className="form-label">{t('alerts.notifications')}</span>
      <div role="group" aria-label={t('alerts.notifications')}>
        {boxes(form.targets, (next) => set({ ...form, targets: next }))}
        <p>
          {form.targets.length === 0 && <span className="text-warning">{t('alerts.noTargetSelected')} </span>}
          {newTarget}
        </p>
      </div>
      <SelectRow
        label={t('alerts.repeat')}
        hint={t('alerts.repeatWhy')}
        value={form.repeatEvery}
        options={REMINDER_INTERVALS.map((length) => ({ value: length, label: length ? timeLengthText(t, length) : t('alerts.never') }))}
        onChange={(repeatEvery) => set({ ...form, repeatEvery })}
      />
      <span className="form-label">{t('alerts.escalate')}</span>
      <div role="group" aria-label={t('alerts.escalate')}>
        {boxes(form.escalateTo, (next) => set({ ...form, escalateTo: next }))}
        <p>{t('alerts.escalateWhy')}</p>
      </div>
      {form.escalateTo.length > 0 && (
        <SelectRow
          label={t('alerts.escalateAfter')}
          value={form.escalateAfter}
          options={ESCALATION_DELAYS.map((length) => ({ value: length, label: timeLengthText(t, length) }))}
          onChange={(escalateAfter) => set({ ...form, escalateAfter })}
        />
      )}
      <SelectRow<Language>
        label={t('bar.language')}
        hint={t('alerts.languageWhy')}
        value={form.language}
        options={[
          { value: 'en', label: 'English' },
          { value: 'ja', label: '日本語' },
        ]}
        onChange={(language) => set({ ...form, language })}
      />
    </>
  );
}
