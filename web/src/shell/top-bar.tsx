import { useNavigate } from '@tanstack/react-router';
import { useLive } from '../api/live';
import type { Project } from '../api/types';
import { useT, type TextKey } from '../i18n';
import { Icon } from '../components/icons';
import { MenuChoice, Menu } from '../components/menu';
import { setPrefs, usePrefs, type Lang, type Theme } from '../prefs';
import { useRange } from '../locale';
import { bucketWidthText } from './time-length';
import { MoreMenu } from './more-menu';
import { RangePicker } from './range-picker';
import { ZonePicker } from './zone-picker';

interface TopBarProps {
  project: Project | null;
  projects: Project[];
  routeId: string;
  onHelp: () => void;
  setLeft: (element: HTMLElement | null) => void;
  setRight: (element: HTMLElement | null) => void;
}

/** Pages whose facts do not depend on a range. */
const WITHOUT_RANGE = /\/(traces\/\$trace|setup|settings|\$)$|\/alerts(\/|$)/;
/** The page of logs has a toggle of its own, beside its list. */
const WITH_OWN_LIVE_TOGGLE = /\/logs$/;
/** Pages that draw by bucket, so that its width must be said. */
const WITH_BUCKETS = /\/\$project\/(traces|metrics)?$/;

export function TopBar({ project, projects, routeId, onHelp, setLeft, setRight }: TopBarProps) {
  const t = useT();
  const { bucket } = useRange();
  const ranged = !WITHOUT_RANGE.test(routeId);
  return (
    <header className="top-bar">
      {project && <ProjectMenu project={project} projects={projects} />}
      <span className="top-bar-slot" ref={setLeft} />
      <span className="spacer" />
      {ranged && WITH_BUCKETS.test(routeId) && (
        <span className="text-dim bucket-width">{t('bar.buckets', { width: bucketWidthText(t, bucket) })}</span>
      )}
      <span className="top-bar-slot" ref={setRight} />
      {ranged && <RangePicker />}
      {ranged && <ZonePicker />}
      {project && ranged && !WITH_OWN_LIVE_TOGGLE.test(routeId) && <LiveToggle />}
      <LanguageMenu />
      <ThemeMenu />
      <button type="button" className="icon-button top-bar-wide" onClick={onHelp} title={`${t('bar.help')} (?)`} aria-label={t('bar.help')}>
        <Icon name="help" />
      </button>
      <MoreMenu onHelp={onHelp} />
    </header>
  );
}

function ProjectMenu({ project, projects }: { project: Project; projects: Project[] }) {
  const t = useT();
  const navigate = useNavigate();
  return (
    <Menu
      label={t('bar.project')}
      trigger={
        <button type="button" className="picker">
          <b>{project.name}</b>
          <Icon name="down" size="tiny" />
        </button>
      }
    >
      <MenuChoice
        value={String(project.id)}
        options={projects.map(({ id, name }) => ({ value: String(id), label: name }))}
        onChange={(id) => void navigate({ to: '/p/$project', params: { project: id } })}
      />
    </Menu>
  );
}

function LiveToggle() {
  const t = useT();
  const { state, stopped, toggle } = useLive();
  const words: Record<typeof state, TextKey> = { live: 'bar.live', paused: 'bar.livePaused', connecting: 'bar.liveConnecting' };
  const hint = stopped ? t('bar.liveStopped') : state === 'paused' ? t('bar.liveBroken') : t('bar.liveHint');
  return (
    <button
      type="button"
      className={state === 'live' ? 'live-toggle' : 'live-toggle is-paused'}
      onClick={toggle}
      title={hint}
      aria-pressed={!stopped}
    >
      <span>{t(words[state])}</span>
    </button>
  );
}

function LanguageMenu() {
  const t = useT();
  const { lang } = usePrefs();
  return (
    <Menu
      label={t('bar.language')}
      align="end"
      trigger={
        <button type="button" className="icon-button top-bar-wide" title={t('bar.language')} aria-label={t('bar.language')}>
          <Icon name="language" />
        </button>
      }
    >
      <MenuChoice
        value={lang}
        options={[
          { value: 'en', label: 'English' },
          { value: 'ja', label: '日本語' },
        ]}
        onChange={(value) => setPrefs({ lang: value as Lang })}
      />
    </Menu>
  );
}

function ThemeMenu() {
  const t = useT();
  const { theme } = usePrefs();
  return (
    <Menu
      label={t('bar.theme')}
      align="end"
      trigger={
        <button type="button" className="icon-button top-bar-wide" title={t('bar.theme')} aria-label={t('bar.theme')}>
          <Icon name="theme" />
        </button>
      }
    >
      <MenuChoice
        value={theme}
        options={[
          { value: 'system', label: t('bar.themeSystem') },
          { value: 'light', label: t('bar.themeLight') },
          { value: 'dark', label: t('bar.themeDark') },
        ]}
        onChange={(value) => setPrefs({ theme: value as Theme })}
      />
    </Menu>
  );
}
