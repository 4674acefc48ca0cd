import { Link } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useUpdateProject } from '../../api/queries';
import type { MessageHiding, Project, ProjectPatch } from '../../api/types';
import { useT } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { PermittedFields } from '../../components/permission';

interface ProjectDraft {
  name: string;
  days: string;
  texts: string;
  notable: string;
  environments: string;
  code: string;
  rate: string;
  client: boolean;
  estimate: boolean;
  disabled: boolean;
  hidden: MessageHiding;
}

const projectDraftOf = (project: Project): ProjectDraft => ({
  name: project.name,
  days: String(project.retention_days),
  texts: project.retention.message_days?.toString() ?? '',
  notable: project.retention.flagged_days?.toString() ?? '',
  environments: Object.entries(project.retention.environments)
    .map(([name, days]) => `${name}=${days}`)
    .join(', '),
  code: project.currency?.code ?? '',
  rate: project.currency ? String(project.currency.rate) : '',
  client: project.prefer_client_cost,
  estimate: project.estimate_usage,
  disabled: project.disabled,
  hidden: project.hide_messages,
});

/** Whom messages can be hidden from. */
const HIDING: readonly MessageHiding[] = ['nobody', 'viewer', 'all'];

const MAX_DAYS = 3650;

type Problem = 'settings.invalidRate' | 'settings.invalidDays';

const isDayCount = (days: number) => Number.isInteger(days) && days >= 1 && days <= MAX_DAYS;

/** `dev=7, audit=400` as days by environment; null where it cannot be read. */
function environmentsOf(text: string): Record<string, number> | null {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map((entry) => {
      const at = entry.lastIndexOf('=');
      return [entry.slice(0, Math.max(at, 0)).trim(), Number(entry.slice(at + 1))] as const;
    });
  return entries.every(([name, days]) => name && isDayCount(days)) ? Object.fromEntries(entries) : null;
}

/** What the server is asked to change, or what is wrong with it. */
export function patchOf(draft: ProjectDraft): ProjectPatch | Problem {
  const days = Number(draft.days);
  const texts = draft.texts.trim() ? Number(draft.texts) : null;
  const notable = draft.notable.trim() ? Number(draft.notable) : null;
  const environments = environmentsOf(draft.environments);
  if ([days, texts ?? 1, notable ?? 1].some((value) => !isDayCount(value)) || environments === null) return 'settings.invalidDays';
  const code = draft.code.trim().toUpperCase();
  const rate = Number(draft.rate);
  if (code && (!/^[A-Z]{3}$/.test(code) || !(rate > 0) || !Number.isFinite(rate))) return 'settings.invalidRate';
  return {
    name: draft.name.trim(),
    retention_days: days,
    retention: { environments, message_days: texts, flagged_days: notable },
    currency: code ? { code, rate } : null,
    prefer_client_cost: draft.client,
    estimate_usage: draft.estimate,
    disabled: draft.disabled,
    hide_messages: draft.hidden,
  };
}

export function ProjectForm({ project }: { project: Project }) {
  const t = useT();
  const update = useUpdateProject(project.id);
  const [draft, setDraft] = useState(() => projectDraftOf(project));
  const [problem, setProblem] = useState<Problem | null>(null);
  const changed = JSON.stringify(draft) !== JSON.stringify(projectDraftOf(project));

  const set = (patch: Partial<ProjectDraft>) => {
    setDraft({ ...draft, ...patch });
    setProblem(null);
    update.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const patch = patchOf(draft);
    if (typeof patch === 'string') setProblem(patch);
    else update.mutate(patch);
  };

  return (
    <form className="pane form-grid settings-project-form" onSubmit={submit}>
      <div className="section-head">
        <h2>{project.name}</h2>
        <span className="spacer" />
        <Link className="section-link" to="/p/$project/setup" params={{ project: String(project.id) }}>
          {t('settings.setup')}
        </Link>
      </div>

      <PermittedFields operation="patch /api/v1/projects/{project}" project={project.id} grid>
        <label htmlFor="p-name">{t('settings.projectName')}</label>
        <div>
          <input
            className="field"
            id="p-name"
            value={draft.name}
            required
            maxLength={80}
            onChange={(event) => set({ name: event.target.value })}
          />
        </div>

        <label htmlFor="p-days">{t('settings.retention')}</label>
        <div>
          <input
            className="field field-short"
            id="p-days"
            inputMode="numeric"
            value={draft.days}
            onChange={(event) => set({ days: event.target.value })}
          />{' '}
          {t('settings.days')}
          <p>{t('settings.retentionWhy')}</p>
        </div>

        <label htmlFor="p-texts">{t('settings.textsDays')}</label>
        <div>
          <input
            className="field field-short"
            id="p-texts"
            inputMode="numeric"
            value={draft.texts}
            placeholder={draft.days}
            onChange={(event) => set({ texts: event.target.value })}
          />{' '}
          {t('settings.days')}
          <p>{t('settings.textsDaysWhy')}</p>
        </div>

        <label htmlFor="p-notable">{t('settings.notableDays')}</label>
        <div>
          <input
            className="field field-short"
            id="p-notable"
            inputMode="numeric"
            value={draft.notable}
            placeholder={draft.days}
            onChange={(event) => set({ notable: event.target.value })}
          />{' '}
          {t('settings.days')}
          <p>{t('settings.notableDaysWhy')}</p>
        </div>

        <label htmlFor="p-environments">{t('settings.environmentDays')}</label>
        <div>
          <input
            className="field"
            id="p-environments"
            value={draft.environments}
            placeholder="dev=7, audit=400"
            onChange={(event) => set({ environments: event.target.value })}
          />
          <p>{t('settings.environmentDaysWhy')}</p>
        </div>

        <label htmlFor="p-code">{t('settings.currency')}</label>
        <div>
          <input
            className="field field-short"
            id="p-code"
            value={draft.code}
            maxLength={3}
            placeholder="JPY"
            aria-label={t('settings.code')}
            onChange={(event) => set({ code: event.target.value })}
          />{' '}
          <input
            className="field field-short"
            inputMode="decimal"
            value={draft.rate}
            placeholder="150"
            aria-label={t('settings.rate')}
            onChange={(event) => set({ rate: event.target.value })}
          />{' '}
          {t('settings.rate')}
          <p>{t('settings.currencyWhy')}</p>
        </div>

        <label htmlFor="p-hidden">{t('settings.hideMessages')}</label>
        <div>
          <select
            className="field"
            id="p-hidden"
            value={draft.hidden}
            onChange={(event) => set({ hidden: event.target.value as MessageHiding })}
          >
            {HIDING.map((whom) => (
              <option key={whom} value={whom}>
                {t(`settings.hideMessages.${whom}`)}
              </option>
            ))}
          </select>
          <p>{t('settings.hideMessagesWhy')}</p>
        </div>

        <span />
        <div>
          <label className="checkbox-row">
            <input type="checkbox" checked={draft.client} onChange={(event) => set({ client: event.target.checked })} />
            {t('settings.clientCost')}
          </label>
          <p>{t('settings.clientCostWhy')}</p>
          <label className="checkbox-row">
            <input type="checkbox" checked={draft.estimate} onChange={(event) => set({ estimate: event.target.checked })} />
            {t('estimate.setting')}
          </label>
          <p>{t('estimate.settingWhy')}</p>
          <label className="checkbox-row">
            <input type="checkbox" checked={draft.disabled} onChange={(event) => set({ disabled: event.target.checked })} />
            {t('settings.disabled')}
          </label>
          <p>{t('settings.disabledWhy')}</p>
        </div>

        <span />
        <div className="form-actions">
          <button type="submit" className="button button-primary" disabled={!changed || !draft.name.trim() || update.isPending}>
            {t('common.save')}
          </button>
          <span role="status" className={problem ? 'text-error' : 'text-success'}>
            {problem ? t(problem) : update.isSuccess && !changed ? t('common.saved') : ''}
          </span>
        </div>
      </PermittedFields>
      {update.error && (
        <div className="form-full-width">
          <ErrorMessage error={update.error} title={t('common.notSaved')} />
        </div>
      )}
    </form>
  );
}
