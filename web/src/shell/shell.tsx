import { Outlet, useParams } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { LiveContext, useLiveStream } from '../api/live';
import { useT } from '../i18n';
import { useKeys } from '../keys';
import { getPrefs, setPrefs } from '../prefs';
import { useMe, useProjectMaybe, useRouteId } from '../project';
import { Bar } from './bar';
import { BarContext } from './bar-slots';
import { ConnectionStrip } from './connection-strip';
import { Help } from './help';
import { IncidentStrip } from './incident-strip';
import { NotFound } from './not-found';
import { NavigationProgress } from './pending';
import { Side } from './side';

/** Pages with a side pane of their own leave the side as a rail. */
const RAILED = /\/traces(\/|$)/;

/** Pages that say themselves what is open. */
const ALERTS = /\/alerts(\/|$)/;

/** The frame around every page behind the sign-in. */
export function Shell() {
  const t = useT();
  const routeId = useRouteId();
  const me = useMe();
  const here = useProjectMaybe();
  const params = useParams({ strict: false });
  const [help, setHelp] = useState(false);
  const [left, setLeft] = useState<HTMLElement | null>(null);
  const [right, setRight] = useState<HTMLElement | null>(null);
  const slots = useMemo(() => ({ left, right }), [left, right]);

  useKeys({ '?': () => setHelp(true) });
  useEffect(() => {
    if (here && getPrefs().project !== here.id) setPrefs({ project: here.id });
  }, [here]);

  const shown = here ?? me.projects.find(({ id }) => id === getPrefs().project) ?? me.projects[0] ?? null;
  const live = useLiveStream(here?.id ?? null);
  const lost = params.project !== undefined && here === null;

  return (
    <LiveContext value={live}>
      <BarContext value={slots}>
        <div className={RAILED.test(routeId) ? 'app rail' : 'app'}>
          <a className="skip btn" href="#main">
            {t('nav.skip')}
          </a>
          <Side project={shown} />
          <Bar project={lost ? shown : here} projects={me.projects} routeId={routeId} onHelp={() => setHelp(true)} setLeft={setLeft} setRight={setRight} />
          <main id="main" tabIndex={-1}>
            <NavigationProgress />
            <ConnectionStrip />
            {here && !ALERTS.test(routeId) && <IncidentStrip project={here.id} />}
            {lost ? <NotFound /> : <Outlet />}
          </main>
        </div>
        <Help open={help} onClose={() => setHelp(false)} />
      </BarContext>
    </LiveContext>
  );
}
