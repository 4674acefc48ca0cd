import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { ApiError } from '../../api/client';
import { channelsQuery, useRemove, useSaveChannel, useTestChannel } from '../../api/alerts';
import type { Channel, ChannelKind } from '../../api/types';
import { useT, type T, type TextKey } from '../../i18n';
import { InlineCodeText } from '../../components/inline-code-text';
import { CopyButton, EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, UserText } from '../../components/values';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { selectTargetInForm } from './editor';
import { SelectRow, TextRow } from './form-fields';
import { useCreatedSecrets, type CreatedSecret } from './created-secrets';
import { AlertsNav } from './alerts-nav';
import { AttemptOutcome } from './attempt-outcome';
import { ConfirmButton } from '../../components/confirm-button';
import { PermissionNote, Permitted, usePermission } from '../../components/permission';
import { EMPTY_CHANNEL, formOf, hostInForm, draftOfForm, type ChannelForm } from './channel-draft';
import { CHANNEL_TEXT } from './labels';
import './alerts.css';

export default function Targets() {
  const t = useT();
  usePageTitle(t('alerts.navTargets'));
  const project = useProject();
  const { data, error, refetch } = useQuery(channelsQuery(project.id));
  const [editing, setEditing] = useState<Channel | 'new' | null>(null);
  const channels = data?.targets ?? [];
  const permission = usePermission('post /api/v1/projects/{project}/alerts/targets', project.id);
  const isNew = editing === 'new' || (data !== undefined && channels.length === 0);
  // Who was sent here from a form goes back to it, where what was typed still stands.
  const { back } = useSearch({ from: '/app/p/$project/alerts/targets' });
  const secrets = useCreatedSecrets(project.id);
  return (
    <>
      <AlertsNav />
      <div className="sheet pane">
        <div className="section-head">
          <h1>{t('alerts.targets')}</h1>
          <span className="section-note">{t('alerts.targetsWhy')}</span>
          <span className="spacer" />
          {back && <BackToFormLink project={project.id} to={back} />}
          {channels.length > 0 && permission.isAllowed && (
            <button type="button" className="button" onClick={() => setEditing('new')}>
              {t('alerts.newTarget')}
            </button>
          )}
        </div>
        {!permission.isAllowed && <PermissionNote permission={permission} />}
        {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
        {!data && !error && <Skeleton rows={3} />}
        {data && channels.length === 0 && <EmptyState title={t('alerts.noTargets')}>{t('alerts.noTargetsWhy')}</EmptyState>}
        {channels.length > 0 && <ChannelTable project={project.id} channels={channels} onEdit={setEditing} />}
      </div>
      {secrets.made.map((made) => (
        <CreatedSecretNote key={made.id} made={made} onRead={() => secrets.forget(made.id)} />
      ))}
      {(isNew || editing) && data && permission.isAllowed && (
        <ChannelEditor
          key={editing && editing !== 'new' ? editing.id : 'new'}
          project={project.id}
          channel={editing && editing !== 'new' ? editing : null}
          onSaved={(saved) => {
            if (back && (editing === null || editing === 'new')) selectTargetInForm(project.id, back, saved.id);
            setEditing(null);
            if (saved.signing_secret) secrets.keep({ id: saved.id, name: saved.name, secret: saved.signing_secret });
          }}
          onCancel={() => setEditing(null)}
        />
      )}
    </>
  );
}

/** Back to the form that somebody left to make a channel: `rules/ID` or `budgets/ID`. */
function BackToFormLink({ project, to }: { project: number; to: string }) {
  const t = useT();
  const [what, id = 'new'] = to.split('/');
  const params = { project: String(project) };
  return what === 'budgets' ? (
    <Link className="button" to="/p/$project/alerts/budgets/$budget" params={{ ...params, budget: id }}>
      {t('alerts.backToBudget')}
    </Link>
  ) : (
    <Link className="button" to="/p/$project/alerts/rules/$rule" params={{ ...params, rule: id }}>
      {t('alerts.backToRule')}
    </Link>
  );
}

/** A secret that the server made and says only once: it stays until somebody confirms to have it. */
function CreatedSecretNote({ made, onRead }: { made: CreatedSecret; onRead: () => void }) {
  const t = useT();
  return (
    <section className="sheet pane alerts-created-secret" aria-labelledby={`made-${made.id}`}>
      <h2 id={`made-${made.id}`}>{t('alerts.secretCreated', { name: made.name })}</h2>
      <p>{t('alerts.secretCreatedWhy')}</p>
      <p className="alerts-secret-row">
        <code>{made.secret}</code>
        <CopyButton text={made.secret} />
      </p>
      <button type="button" className="button button-primary" onClick={onRead}>
        {t('alerts.secretCopied')}
      </button>
    </section>
  );
}

interface ChannelTableProps {
  project: number;
  channels: Channel[];
  onEdit: (channel: Channel) => void;
}

function ChannelTable({ project, channels, onEdit }: ChannelTableProps) {
  const t = useT();
  const remove = useRemove(project, 'targets');
  const columns: Column<Channel>[] = [
    {
      key: 'name',
      head: t('alerts.target'),
      cell: (channel) => (
        <>
          <b>
            <UserText text={channel.name} />
          </b>{' '}
          {channel.disabled && <Chip tone="outline">{t('alerts.disabled')}</Chip>}
        </>
      ),
    },
    { key: 'kind', head: t('alerts.kind'), cell: ({ address }) => t(CHANNEL_TEXT[address.kind]) },
    { key: 'where', head: t('alerts.where'), grow: true, cell: ({ shown }) => <span className="text-dim">{shown}</span> },
    {
      key: 'waiting',
      head: t('alerts.waiting'),
      num: true,
      optional: true,
      cell: ({ waiting }) => (waiting > 0 ? <Chip tone="warning">{waiting}</Chip> : <span className="text-dim">0</span>),
    },
    {
      key: 'do',
      head: <span className="visually-hidden">{t('alerts.actions')}</span>,
      num: true,
      cell: (channel) => (
        <span className="row-actions">
          <Permitted operation="post /api/v1/projects/{project}/alerts/targets/{target}/test" project={project}>
            <TestButton project={project} channel={channel} />
          </Permitted>
          <Permitted operation="put /api/v1/projects/{project}/alerts/targets/{target}" project={project}>
            <button type="button" className="button button-quiet" onClick={() => onEdit(channel)}>
              {t('alerts.edit')}
            </button>
          </Permitted>
          <Permitted operation="delete /api/v1/projects/{project}/alerts/targets/{target}" project={project}>
            <ConfirmButton label={t('settings.removeKey')} disabled={remove.isPending} onConfirm={() => remove.mutate(channel.id)} />
          </Permitted>
        </span>
      ),
    },
  ];
  return (
    <div className="alerts-table">
      <Table label={t('alerts.targets')} columns={columns} rows={channels} rowKey={({ id }) => String(id)} />
      {remove.error && <ErrorMessage error={remove.error} title={t('common.notDone')} />}
    </div>
  );
}

/** Sends a test and says in place how that ended. */
function TestButton({ project, channel }: { project: number; channel: Channel }) {
  const t = useT();
  const test = useTestChannel(project);
  const ended = test.data?.attempts.at(-1);
  return (
    <>
      <span className="alerts-test-result" role="status">
        {ended && <AttemptOutcome attempt={ended} delivered={test.data?.state === 'delivered'} />}
        {test.error && <span className="text-error">{test.error.message}</span>}
      </span>
      <button type="button" className="button" disabled={test.isPending || channel.disabled} onClick={() => test.mutate(channel.id)}>
        {test.isPending ? t('alerts.testing') : t('alerts.test')}
      </button>
    </>
  );
}

const SECRET_FIELDS: Record<ChannelKind, { label: TextKey; hint: TextKey; placeholder: string }> = {
  email: { label: 'alerts.password', hint: 'alerts.passwordWhy', placeholder: '' },
  slack: { label: 'alerts.webhookUrl', hint: 'alerts.slackWhy', placeholder: 'https://hooks.slack.com/services/…' },
  discord: { label: 'alerts.webhookUrl', hint: 'alerts.discordWhy', placeholder: 'https://discord.com/api/webhooks/…' },
  teams: { label: 'alerts.webhookUrl', hint: 'alerts.teamsWhy', placeholder: 'https://….logic.azure.com/workflows/…' },
  pagerduty: { label: 'alerts.routingKey', hint: 'alerts.pagerdutyWhy', placeholder: '' },
  webhook: { label: 'alerts.signingSecret', hint: 'alerts.signingSecretWhy', placeholder: 'whsec_…' },
};

/** The server's error, in the reader's language where it is about the address. */
function privateAddressError(error: Error, form: ChannelForm, t: T): Error {
  if (!(error instanceof ApiError) || error.code !== 'target_not_allowed') return error;
  const address = hostInForm(form);
  return new ApiError(error.status, error.code, t('alerts.notAllowed', { address }), t('alerts.notAllowedFix', { address }));
}

interface ChannelEditorProps {
  project: number;
  channel: Channel | null;
  onSaved: (saved: Channel) => void;
  onCancel: () => void;
}

function ChannelEditor({ project, channel, onSaved, onCancel }: ChannelEditorProps) {
  const t = useT();
  const save = useSaveChannel(project);
  const [form, setForm] = useState<ChannelForm>(() => (channel ? formOf(channel) : EMPTY_CHANNEL));
  const set = (patch: Partial<ChannelForm>) => {
    setForm({ ...form, ...patch });
    save.reset();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      // Awaited here, not by a callback of the mutation: that one is dropped when the list comes anew and takes this form away.
      onSaved(await save.mutateAsync({ id: channel?.id ?? null, draft: draftOfForm(form) }));
      setForm(EMPTY_CHANNEL);
    } catch {
      // The form says what was wrong.
    }
  };
  const secret = SECRET_FIELDS[form.kind];
  return (
    <form className="sheet pane form-grid" onSubmit={(event) => void submit(event)}>
      <div className="section-head">
        <h2>{channel ? channel.name : t('alerts.newTarget')}</h2>
      </div>
      <SelectRow
        label={t('alerts.kind')}
        value={form.kind}
        disabled={channel !== null}
        options={(Object.keys(CHANNEL_TEXT) as ChannelKind[]).map((kind) => ({ value: kind, label: t(CHANNEL_TEXT[kind]) }))}
        onChange={(kind) => set({ kind })}
      />
      <TextRow
        label={t('alerts.name')}
        value={form.name}
        required
        placeholder={t('alerts.namePlaceholder')}
        onChange={(name) => set({ name })}
      />
      {form.kind === 'email' && (
        <>
          <TextRow
            label={t('alerts.to')}
            hint={t('alerts.toWhy')}
            value={form.to}
            required
            placeholder="oncall@example.com"
            onChange={(to) => set({ to })}
          />
          <TextRow
            label={t('alerts.from')}
            value={form.from}
            required
            placeholder="Hinomi <hinomi@example.com>"
            onChange={(from) => set({ from })}
          />
          <TextRow
            label={t('alerts.host')}
            hint={<InlineCodeText text={t('alerts.privateWhy')} />}
            value={form.host}
            required
            placeholder="smtp.example.com"
            onChange={(host) => set({ host })}
          />
          <SelectRow
            label={t('alerts.security')}
            value={form.security}
            options={[
              { value: 'starttls', label: 'STARTTLS (587)' },
              { value: 'tls', label: 'TLS (465)' },
              { value: 'none', label: t('alerts.securityNone') },
            ]}
            onChange={(security) => set({ security })}
          />
          <TextRow label={t('alerts.port')} hint={t('alerts.portWhy')} short numeric value={form.port} onChange={(port) => set({ port })} />
          <TextRow label={t('alerts.username')} value={form.username} onChange={(username) => set({ username })} />
        </>
      )}
      {form.kind === 'webhook' && (
        <TextRow
          label={t('alerts.url')}
          hint={<InlineCodeText text={`${t('alerts.urlWhy')} ${t('alerts.privateWhy')}`} />}
          type="url"
          value={form.url}
          required
          placeholder="https://example.com/hinomi"
          onChange={(url) => set({ url })}
        />
      )}
      <TextRow
        label={t(secret.label)}
        hint={channel ? t('alerts.secretUnchanged') : t(secret.hint)}
        type="password"
        value={form.secret}
        required={channel === null && form.kind !== 'webhook' && form.kind !== 'email'}
        placeholder={secret.placeholder}
        onChange={(typed) => set({ secret: typed })}
      />
      {form.kind === 'pagerduty' && (
        <TextRow
          label={t('alerts.endpoint')}
          hint={t('alerts.endpointWhy')}
          value={form.endpoint}
          placeholder="https://events.pagerduty.com/v2/enqueue"
          onChange={(endpoint) => set({ endpoint })}
        />
      )}
      <SelectRow
        label={t('bar.language')}
        value={form.language}
        options={[
          { value: '', label: t('alerts.languageOfRule') },
          { value: 'en', label: 'English' },
          { value: 'ja', label: '日本語' },
        ]}
        onChange={(language) => set({ language })}
      />
      <span />
      <div>
        <label className="checkbox-row">
          <input type="checkbox" checked={form.disabled} onChange={(event) => set({ disabled: event.target.checked })} />
          {t('alerts.disabledTarget')}
        </label>
      </div>
      <span />
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={save.isPending}>
          {t('common.save')}
        </button>
        <button type="button" className="button button-quiet" onClick={onCancel}>
          {t('common.cancel')}
        </button>
      </div>
      {save.error && (
        <div className="form-full-width">
          <ErrorMessage error={privateAddressError(save.error, form, t)} title={t('common.notSaved')} />
        </div>
      )}
    </form>
  );
}
