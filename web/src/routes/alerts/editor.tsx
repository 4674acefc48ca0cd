import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useT } from '../../i18n';
import { useKeys } from '../../keys';
import { ErrorPart, Skeleton } from '../../parts/states';
import { useProject } from '../../project';
import { NotFound } from '../../shell/not-found';
import { SelectRow, TextRow } from './fields';
import { AlertsNav } from './nav';
import { Sure } from './sure';
import { TellingFields } from './telling';
import type { TellingForm } from './rule-draft';
import { dimensionText } from './words';

interface AroundEditorProps {
  /** Null while it is not known whether there is one. */
  isThere: boolean | null;
  error: Error | null;
  onRetry: () => void;
  children: ReactNode;
}

/** What a rule's and a budget's page have around their editor. */
export function AroundEditor({ isThere, error, onRetry, children }: AroundEditorProps) {
  const project = useProject();
  const navigate = useNavigate();
  useKeys({ Escape: () => void navigate({ to: '/p/$project/alerts', params: { project: String(project.id) } }) });
  return (
    <>
      <AlertsNav />
      {isThere === null && (
        <div className="sheet pane">{error ? <ErrorPart error={error} onRetry={onRetry} /> : <Skeleton rows={10} />}</div>
      )}
      {isThere === false && <NotFound />}
      {isThere && children}
    </>
  );
}

interface Change<Input> {
  mutate: (input: Input, options: { onSuccess: () => void }) => void;
  isPending: boolean;
  error: Error | null;
  reset: () => void;
}

/** What was typed and neither saved nor given up, by form: it outlives a look at another page. */
const unsaved = new Map<string, unknown>();

/** Targets that were made on the way of a form, by form: it has them chosen when its author comes back. */
const madeFor = new Map<string, number[]>();

const keyOf = (project: number, place: string) => `${project}/${place}`;

/** Chooses a new target in the form that its author left to make it. */
export function chooseTarget(project: number, place: string, target: number) {
  const key = keyOf(project, place);
  madeFor.set(key, [...(madeFor.get(key) ?? []), target]);
}

/** The form with the targets that were made for it. */
export function withMade<Form extends { telling: TellingForm }>(form: Form, key: string): Form {
  const made = madeFor.get(key) ?? [];
  const targets = [...new Set([...form.telling.targets, ...made])];
  return { ...form, telling: { ...form.telling, targets } };
}

interface Editing<Form, Draft> {
  project: number;
  what: 'rules' | 'budgets';
  /** The number of what is edited; null for a new one. */
  id: number | null;
  first: () => Form;
  /** The form as it is sent, or what is wrong with it. */
  read: (form: Form) => Draft | string;
  save: Change<{ id: number | null; draft: Draft }>;
  remove: Change<number>;
}

/** A form, what it says, and what becomes of it. */
export function useEditor<Form extends { telling: TellingForm }, Draft extends object>({ project, what, id, first, read, save, remove }: Editing<Form, Draft>) {
  const navigate = useNavigate();
  const place = `${what}/${id ?? 'new'}`;
  const key = keyOf(project, place);
  const [form, setForm] = useState<Form>(() => withMade((unsaved.get(key) as Form | undefined) ?? first(), key));
  const [restored, setRestored] = useState(() => unsaved.has(key));
  const [tried, setTried] = useState(false);
  const draft = read(form);
  const forget = () => {
    unsaved.delete(key);
    madeFor.delete(key);
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
      unsaved.set(key, next);
      // What is typed holds them from now on.
      madeFor.delete(key);
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

type End = ReturnType<typeof useEditor<{ telling: TellingForm }, object>>['end'];

export function EditorHead({ title, end }: { title: ReactNode; end: End }) {
  const t = useT();
  return (
    <div className="head">
      {title}
      <span className="sp" />
      {end.startAgain && (
        <span className="meta" role="status">
          {t('alerts.restored')}{' '}
          <button type="button" className="act" onClick={end.startAgain}>
            {t('alerts.startAgain')}
          </button>
        </span>
      )}
      {end.remove && <Sure label={t('settings.removeKey')} disabled={end.remove.busy} onSure={end.remove.run} />}
    </div>
  );
}

interface LastFieldsProps {
  project: number;
  place: string;
  form: { telling: TellingForm; owner: string; enabled: boolean };
  set: (patch: { telling?: TellingForm; owner?: string; enabled?: boolean }) => void;
  why?: ReactNode;
  zone?: ReactNode;
}

/** Whom it tells, who looks after it, and whether it is in force. */
export function LastFields({ project, place, form, set, why, zone }: LastFieldsProps) {
  const t = useT();
  return (
    <>
      <TellingFields project={project} place={place} form={form.telling} set={(telling) => set({ telling })} />
      <TextRow label={t('alerts.owner')} value={form.owner} onChange={(owner) => set({ owner })} />
      {zone}
      <span />
      <div>
        <label className="tick2">
          <input type="checkbox" checked={form.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
          {t('alerts.enabled')}
        </label>
        {why && <p>{why}</p>}
      </div>
    </>
  );
}

/** The end of the form: save, cancel, and what is wrong. */
export function SaveRow({ end, wrong }: { end: End; wrong: string | null }) {
  const t = useT();
  return (
    <>
      <span />
      <div className="saverow">
        <button type="submit" className="btn pri" disabled={end.busy}>
          {t('common.save')}
        </button>
        <Link className="btn quiet" to="/p/$project/alerts" params={{ project: String(end.project) }} onClick={end.forget}>
          {t('common.cancel')}
        </Link>
        <span role="status" className="err">
          {end.tried && wrong !== null ? wrong : ''}
        </span>
      </div>
      {end.error && (
        <div className="whole">
          <ErrorPart error={end.error} title={t(end.failedToRemove ? 'common.notDone' : 'common.notSaved')} />
        </div>
      )}
    </>
  );
}

const GROUPS = ['', 'user', 'model', 'pipeline', 'agent', 'tool', 'environment', 'key', 'release', 'provider', 'session', 'prompt', 'service'];
const TAG = 'tag:';

interface GroupRowProps {
  hint: string;
  value: string;
  onChange: (groupBy: string) => void;
}

/** What each is for itself by: a field of spans, or a tag by its name. */
export function GroupRow({ hint, value, onChange }: GroupRowProps) {
  const t = useT();
  const isTag = value.startsWith(TAG);
  const groups = isTag || GROUPS.includes(value) ? GROUPS : [...GROUPS, value];
  return (
    <>
      <SelectRow
        label={t('alerts.groupBy')}
        hint={hint}
        value={isTag ? TAG : value}
        options={[
          ...groups.map((group) => ({ value: group, label: group ? dimensionText(t, group) : t('alerts.noGrouping') })),
          { value: TAG, label: t('alerts.tag') },
        ]}
        onChange={onChange}
      />
      {isTag && (
        <TextRow
          label={t('alerts.tagName')}
          hint={t('alerts.tagWhy')}
          short
          required
          value={value.slice(TAG.length)}
          onChange={(name) => onChange(`${TAG}${name}`)}
        />
      )}
    </>
  );
}
