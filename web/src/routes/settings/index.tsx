import { Link, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useCreateProject } from '../../api/queries';
import { useT } from '../../i18n';
import { ErrorPart } from '../../parts/states';
import { Chip } from '../../parts/values';
import { getPrefs } from '../../prefs';
import { useMe } from '../../project';
import { useReader } from '../../reader';
import { InBar } from '../../shell/bar-slots';
import { useTitle } from '../../shell/title';
import { Access } from './access';
import { Keys } from './keys';
import { Prices } from './prices';
import { ProjectForm } from './project-form';
import { SignOut } from './sign-out';
import './settings.css';

export default function Settings() {
  const t = useT();
  useTitle(t('settings.title'));
  const me = useMe();
  const { project: chosen, price, provider } = useSearch({ from: '/app/settings' });
  const last = getPrefs().project;
  const project = me.projects.find(({ id }) => String(id) === chosen) ?? me.projects.find(({ id }) => id === last) ?? me.projects[0];
  return (
    <div className="set">
      <InBar side="left">
        <h1 className="pick">
          <b>{t('settings.title')}</b>
        </h1>
      </InBar>
      <aside className="setlist">
        <Projects selected={project?.id} />
        <section className="pane dim">
          <h2>{t('settings.page')}</h2>
          <p>{t('settings.version', { version: me.version, url: me.public_url })}</p>
          <SignOut />
        </section>
      </aside>
      {project && (
        <div className="setmain">
          {/* Another project is another form: nothing typed for one is saved for the other. */}
          <ProjectForm key={project.id} project={project} />
          <Keys key={`keys ${project.id}`} project={project} />
          <Prices
            key={`prices ${project.id} ${price} ${provider}`}
            project={project}
            wanted={price ? { model: price, provider: provider ?? '' } : null}
          />
          <Access />
        </div>
      )}
    </div>
  );
}

function Projects({ selected }: { selected: number | undefined }) {
  const t = useT();
  const me = useMe();
  const { format } = useReader();
  const create = useCreateProject();
  const [name, setName] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) create.mutate(name.trim(), { onSuccess: () => setName('') });
  };
  return (
    <section className="pane">
      <div className="head">
        <h2>{t('settings.projects')}</h2>
      </div>
      <ul className="plist">
        {me.projects.map((project) => (
          <li key={project.id}>
            <Link
              to="/settings"
              search={{ project: String(project.id) }}
              className={project.id === selected ? 'cur' : undefined}
              aria-current={project.id === selected ? 'true' : undefined}
            >
              <b className="ell">{project.name}</b>
              {project.disabled && <Chip tone="wrn">{t('settings.refusesData')}</Chip>}
              <span className="dim">
                {project.first_span_at ? t('settings.since', { time: format.day(project.first_span_at) }) : t('settings.noData')}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <form className="addrow" onSubmit={submit}>
        <input
          className="field"
          value={name}
          onChange={(event) => setName(event.target.value)}
          aria-label={t('settings.newProject')}
          placeholder={t('settings.newProject')}
          maxLength={80}
        />
        <button type="submit" className="btn" disabled={!name.trim() || create.isPending}>
          {t('common.add')}
        </button>
      </form>
      {create.error && <ErrorPart error={create.error} title={t('common.notSaved')} />}
    </section>
  );
}
