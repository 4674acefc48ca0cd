import { Outlet, useParams } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { LiveContext, useLiveStream } from '../api/live';
import { useT } from '../i18n';
import { useKeyboardShortcuts } from '../keyboard';
import { getPrefs, setPrefs } from '../prefs';
import { useMe, useProjectOrNull, useRouteId } from '../project';
import { TopBar } from './top-bar';
import { TopBarContext } from './top-bar-slots';
import { ConnectionBanner } from './connection-banner';
import { HelpDialog } from './help-dialog';
import { IncidentBanner } from './incident-banner';
import { NotFound } from './not-found';
import { NavigationProgress } from './pending';
import { Sidebar } from './sidebar';

/** Pages with a side pane of their own leave the side as a rail. */
const NARROW_SIDEBAR = /\/traces(\/|$)/;

/** Pages that say themselves what is open. */
const ALERTS = /\/alerts(\/|$)/;

/** The frame around every page behind the sign-in. */
export function Shell() {
  const t = useT();
  const routeId = useRouteId();
  const me = useMe();
  const here = useProjectOrNull();
  const params = useParams({ strict: false });
  const [help, setHelp] = useState(false);
  const [left, setLeft] = useState<HTMLElement | null>(null);
  const [right, setRight] = useState<HTMLElement | null>(null);
  const slots = useMemo(() => ({ left, right }), [left, right]);

  useKeyboardShortcuts({ '?': () => setHelp(true) });
  useEffect(() => {
    if (here && getPrefs().project !== here.id) setPrefs({ project: here.id });
  }, [here]);

  const shown = here ?? me.projects.find(({ id }) => id === getPrefs().project) ?? me.projects[0] ?? null;
  const live = useLiveStream(here?.id ?? null);
  const lost = params.project !== undefined && here === null;

  return (
    <LiveContext value={live}>
      <TopBarContext value={slots}>
        <div className={NARROW_SIDEBAR.test(routeId) ? 'app-frame app-rail' : 'app-frame'}>
          <a className="skip-link button" href="#main">
            {t('nav.skip')}
          </a>
          <Sidebar project={shown} />
          <TopBar
            project={lost ? shown : here}
            projects={me.projects}
            routeId={routeId}
            onHelp={() => setHelp(true)}
            setLeft={setLeft}
            setRight={setRight}
          />
          <main id="main" tabIndex={-1}>
            <NavigationProgress />
            <ConnectionBanner />
            {here && !ALERTS.test(routeId) && <IncidentBanner project={here.id} />}
            {lost ? <NotFound /> : <Outlet />}
          </main>
        </div>
        <HelpDialog open={help} onClose={() => setHelp(false)} />
      </TopBarContext>
    </LiveContext>
  );
}
