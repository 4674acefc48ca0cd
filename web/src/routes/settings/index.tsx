import { Link, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useCreateProject } from '../../api/queries';
import { useT } from '../../i18n';
import { ErrorMessage } from '../../components/states';
import { Chip } from '../../components/values';
import { Permitted } from '../../components/permission';
import { getPrefs } from '../../prefs';
import { useMe } from '../../project';
import { useLocale } from '../../locale';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import { Accounts } from './accounts';
import { ApiAccess } from './api-access';
import { IngestKeys } from './ingest-keys';
import { CustomPrices } from './custom-prices';
import { Forwards } from './forwards';
import { Members } from './members';
import { OwnPassword } from './own-password';
import { ProjectForm } from './project-form';
import { SignOut } from './sign-out';
import './settings.css';

export default function Settings() {
  const t = useT();
  usePageTitle(t('settings.title'));
  const me = useMe();
  const { project: chosen, price, provider } = useSearch({ from: '/app/settings' });
  const last = getPrefs().project;
  const project = me.projects.find(({ id }) => String(id) === chosen) ?? me.projects.find(({ id }) => id === last) ?? me.projects[0];
  return (
    <div className="settings-layout">
      <TopBarSlot side="left">
        <h1 className="picker">
          <b>{t('settings.title')}</b>
        </h1>
      </TopBarSlot>
      <aside className="settings-side">
        <ProjectList selected={project?.id} />
        <section className="pane text-dim">
          <h2>{t('settings.page')}</h2>
          <p>{t('settings.version', { version: me.version, url: me.public_url })}</p>
          <SignOut />
        </section>
      </aside>
      {project && (
        <div className="settings-main">
          {/* Another project is another form: nothing typed for one is saved for the other. */}
          <ProjectForm key={project.id} project={project} />
          <IngestKeys key={`keys ${project.id}`} project={project} />
          <CustomPrices
            key={`prices ${project.id} ${price} ${provider}`}
            project={project}
            wanted={price ? { model: price, provider: provider ?? '' } : null}
          />
          <Forwards key={`forwards ${project.id}`} project={project} />
          <MappingSection project={project.id} />
          <Permitted operation="get /api/v1/projects/{project}/members" project={project.id}>
            <Members key={`members ${project.id}`} project={project} />
          </Permitted>
          <Permitted operation="get /api/v1/accounts">
            <Accounts />
          </Permitted>
          <OwnPassword />
          <ApiAccess />
        </div>
      )}
    </div>
  );
}

/** The way to the rules for the project's own instrumentation. */
function MappingSection({ project }: { project: number }) {
  const t = useT();
  return (
    <section className="pane">
      <h2>{t('mapping.title')}</h2>
      <p className="text-dim text-small">{t('mapping.settingsWhy')}</p>
      <p>
        <Link className="button" to="/p/$project/mapping" params={{ project: String(project) }}>
          {t('mapping.settings')}
        </Link>
      </p>
    </section>
  );
}

function ProjectList({ selected }: { selected: number | undefined }) {
  const t = useT();
  const me = useMe();
  const { format } = useLocale();
  const create = useCreateProject();
  const [name, setName] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) create.mutate(name.trim(), { onSuccess: () => setName('') });
  };
  return (
    <section className="pane">
      <div className="section-head">
        <h2>{t('settings.projects')}</h2>
      </div>
      <ul className="settings-project-list">
        {me.projects.map((project) => (
          <li key={project.id}>
            <Link
              to="/settings"
              search={{ project: String(project.id) }}
              className={project.id === selected ? 'is-current' : undefined}
              aria-current={project.id === selected ? 'true' : undefined}
            >
              <b className="ellipsis">{project.name}</b>
              {project.disabled && <Chip tone="warning">{t('settings.refusesData')}</Chip>}
              <span className="text-dim">
                {project.first_span_at ? t('settings.since', { time: format.day(project.first_span_at) }) : t('settings.noData')}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <Permitted operation="post /api/v1/projects">
        <form className="inline-form" onSubmit={submit}>
          <input
            className="field"
            value={name}
            onChange={(event) => setName(event.target.value)}
            aria-label={t('settings.newProject')}
            placeholder={t('settings.newProject')}
            maxLength={80}
          />
          <button type="submit" className="button" disabled={!name.trim() || create.isPending}>
            {t('common.add')}
          </button>
        </form>
      </Permitted>
      {create.error && <ErrorMessage error={create.error} title={t('common.notSaved')} />}
    </section>
  );
}
