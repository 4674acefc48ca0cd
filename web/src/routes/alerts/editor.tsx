import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { ErrorMessage, Skeleton } from '../../components/states';
import { useProject } from '../../project';
import { NotFound } from '../../shell/not-found';
import { SelectRow, TextRow } from './form-fields';
import { AlertsNav } from './alerts-nav';
import { ConfirmButton } from '../../components/confirm-button';
import { Permitted } from '../../components/permission';
import { NotificationFields } from './notification-fields';
import type { NotificationForm } from './rule-draft';
import { dimensionText } from './labels';

interface EditorPageProps {
  /** Null while it is not known whether there is one. */
  isThere: boolean | null;
  error: Error | null;
  onRetry: () => void;
  children: ReactNode;
}

/** What a rule's and a budget's page have around their editor. */
export function EditorPage({ isThere, error, onRetry, children }: EditorPageProps) {
  const project = useProject();
  const navigate = useNavigate();
  useKeyboardShortcuts({ Escape: () => void navigate({ to: '/p/$project/alerts', params: { project: String(project.id) } }) });
  return (
    <>
      <AlertsNav />
      {isThere === null && (
        <div className="sheet pane">{error ? <ErrorMessage error={error} onRetry={onRetry} /> : <Skeleton rows={10} />}</div>
      )}
      {isThere === false && <NotFound />}
      {isThere && children}
    </>
  );
}

interface Mutation<Input> {
  mutate: (input: Input, options: { onSuccess: () => void }) => void;
  isPending: boolean;
  error: Error | null;
  reset: () => void;
}

/** What was typed and neither saved nor given up, by form: it outlives a look at another page. */
const unsavedForms = new Map<string, unknown>();

/** Targets that were made on the way of a form, by form: it has them chosen when its author comes back. */
const createdTargets = new Map<string, number[]>();

const formKey = (project: number, place: string) => `${project}/${place}`;

/** Chooses a new target in the form that its author left to make it. */
export function selectTargetInForm(project: number, place: string, target: number) {
  const key = formKey(project, place);
  createdTargets.set(key, [...(createdTargets.get(key) ?? []), target]);
}

/** The form with the targets that were made for it. */
export function withCreatedTargets<Form extends { notification: NotificationForm }>(form: Form, key: string): Form {
  const made = createdTargets.get(key) ?? [];
  const targets = [...new Set([...form.notification.targets, ...made])];
  return { ...form, notification: { ...form.notification, targets } };
}

interface EditorOptions<Form, Draft> {
  project: number;
  what: 'rules' | 'budgets';
  /** The number of what is edited; null for a new one. */
  id: number | null;
  first: () => Form;
  /** The form as it is sent, or what is wrong with it. */
  read: (form: Form) => Draft | string;
  save: Mutation<{ id: number | null; draft: Draft }>;
  remove: Mutation<number>;
}

/** A form, what it says, and what becomes of it. */
export function useEditor<Form extends { notification: NotificationForm }, Draft extends object>({
  project,
  what,
  id,
  first,
  read,
  save,
  remove,
}: EditorOptions<Form, Draft>) {
  const navigate = useNavigate();
  const place = `${what}/${id ?? 'new'}`;
  const key = formKey(project, place);
  const [form, setForm] = useState<Form>(() => withCreatedTargets((unsavedForms.get(key) as Form | undefined) ?? first(), key));
  const [restored, setRestored] = useState(() => unsavedForms.has(key));
  const [tried, setTried] = useState(false);
  const draft = read(form);
  const forget = () => {
    unsavedForms.delete(key);
    createdTargets.delete(key);
  };
  const back = () => {
    forget();
    void navigate({ to: '/p/$project/alerts', params: { project: String(project) } });
  };
  return {
    /** `budgets/new` and its like: where this form is. */
    place,
    form,
    draft: typeof draft === 'string' ? null : draft,
    problem: typeof draft === 'string' ? draft : null,
    set: (patch: Partial<Form>) => {
      const next = { ...form, ...patch };
      setForm(next);
      unsavedForms.set(key, next);
      // What is typed holds them from now on.
      createdTargets.delete(key);
      save.reset();
    },
    submit: (event: FormEvent) => {
      event.preventDefault();
      setTried(true);
      if (typeof draft !== 'string') save.mutate({ id, draft }, { onSuccess: back });
    },
    /** What the end of the form needs. */
    end: {
      project,
      what,
      tried,
      forget,
      startAgain: restored
        ? () => {
            forget();
            setForm(first());
            setRestored(false);
          }
        : null,
      busy: save.isPending,
      error: save.error ?? remove.error,
      failedToRemove: save.error === null && remove.error !== null,
      remove: id === null ? null : { busy: remove.isPending, run: () => remove.mutate(id, { onSuccess: back }) },
    },
  };
}

type EditorActions = ReturnType<typeof useEditor<{ notification: NotificationForm }, object>>['end'];

export function EditorHead({ title, end }: { title: ReactNode; end: EditorActions }) {
  const t = useT();
  return (
    <div className="section-head">
      {title}
      <span className="spacer" />
      {end.startAgain && (
        <span className="section-note" role="status">
          {t('alerts.restored')}{' '}
          <button type="button" className="action-link" onClick={end.startAgain}>
            {t('alerts.startAgain')}
          </button>
        </span>
      )}
      {end.remove && (
        <Permitted operation={`delete /api/v1/projects/{project}/alerts/${end.what}/{id}`} project={end.project}>
          <ConfirmButton label={t('settings.removeKey')} disabled={end.remove.busy} onConfirm={end.remove.run} />
        </Permitted>
      )}
    </div>
  );
}

interface CommonFieldsProps {
  project: number;
  place: string;
  form: { notification: NotificationForm; owner: string; enabled: boolean };
  set: (patch: { notification?: NotificationForm; owner?: string; enabled?: boolean }) => void;
  why?: ReactNode;
  zone?: ReactNode;
}

/** Whom it tells, who looks after it, and whether it is in force. */
export function CommonFields({ project, place, form, set, why, zone }: CommonFieldsProps) {
  const t = useT();
  return (
    <>
      <NotificationFields project={project} place={place} form={form.notification} set={(notification) => set({ notification })} />
      <TextRow label={t('alerts.owner')} value={form.owner} onChange={(owner) => set({ owner })} />
      {zone}
      <span />
      <div>
        <label className="checkbox-row">
          <input type="checkbox" checked={form.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
          {t('alerts.enabled')}
        </label>
        {why && <p>{why}</p>}
      </div>
    </>
  );
}

/** The end of the form: save, cancel, and what is wrong. */
export function SaveRow({ end, wrong }: { end: EditorActions; wrong: string | null }) {
  const t = useT();
  return (
    <>
      <span />
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={end.busy}>
          {t('common.save')}
        </button>
        <Link className="button button-quiet" to="/p/$project/alerts" params={{ project: String(end.project) }} onClick={end.forget}>
          {t('common.cancel')}
        </Link>
        <span role="status" className="text-error">
          {end.tried && wrong !== null ? wrong : ''}
        </span>
      </div>
      {end.error && (
        <div className="form-full-width">
          <ErrorMessage error={end.error} title={t(end.failedToRemove ? 'common.notDone' : 'common.notSaved')} />
        </div>
      )}
    </>
  );
}

const GROUP_FIELDS = [
  '',
  'user',
  'model',
  'pipeline',
  'agent',
  'tool',
  'environment',
  'key',
  'release',
  'provider',
  'session',
  'prompt',
  'failure',
  'service',
];
const TAG_PREFIX = 'tag:';

interface GroupByRowProps {
  hint: string;
  value: string;
  onChange: (groupBy: string) => void;
}

/** What each is for itself by: a field of spans, or a tag by its name. */
export function GroupByRow({ hint, value, onChange }: GroupByRowProps) {
  const t = useT();
  const isTag = value.startsWith(TAG_PREFIX);
  const groups = isTag || GROUP_FIELDS.includes(value) ? GROUP_FIELDS : [...GROUP_FIELDS, value];
  return (
    <>
      <SelectRow
        label={t('alerts.groupBy')}
        hint={hint}
        value={isTag ? TAG_PREFIX : value}
        options={[
          ...groups.map((group) => ({ value: group, label: group ? dimensionText(t, group) : t('alerts.noGrouping') })),
          { value: TAG_PREFIX, label: t('alerts.tag') },
        ]}
        onChange={onChange}
      />
      {isTag && (
        <TextRow
          label={t('alerts.tagName')}
          hint={t('alerts.tagWhy')}
          short
          required
          value={value.slice(TAG_PREFIX.length)}
          onChange={(name) => onChange(`${TAG_PREFIX}${name}`)}
        />
      )}
    </>
  );
}
