import { type QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, Outlet, redirect, retainSearchParams } from '@tanstack/react-router';
import { ApiError } from './api/client';
import { meQuery } from './api/queries';
import { needsRenewal, renewSession } from './api/session-renewal';
import { lazyPage } from './components/lazy-page';
import { getPrefs } from './prefs';
import { appSearchOf, parseSearch, stringifySearch, textParams, type RawSearch } from './search-params';
import { PageError, NotFound } from './shell/not-found';
import { FramePending, PagePending } from './shell/pending';
import { Shell } from './shell/shell';

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (raw: RawSearch) => textParams(raw, 'error', 'then'),
  component: lazyPage(() => import('./routes/sign-in')),
});

const setPassword = createRoute({
  getParentRoute: () => root,
  path: '/set-password',
  component: lazyPage(() => import('./routes/sign-in/set-password')),
});

/** What a share link opens, without an account. */
const share = createRoute({
  getParentRoute: () => root,
  path: '/share/$token',
  component: lazyPage(() => import('./routes/share')),
});

/** Everything behind the sign-in: one frame, one range. */
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  validateSearch: appSearchOf,
  search: { middlewares: [retainSearchParams(['last', 'from', 'to', 'tz'])] },
  beforeLoad: async ({ context, location }) => {
    try {
      return { me: await context.client.ensureQueryData(meQuery) };
    } catch (error) {
      if (needsRenewal(error)) {
        renewSession(location.href);
        // The browser leaves this page.
        return await new Promise<never>(() => undefined);
      }
      if (error instanceof ApiError && error.status === 401) throw redirect({ to: '/sign-in', search: { then: location.href } });
      throw error;
    }
  },
  component: Shell,
  errorComponent: PageError,
  pendingComponent: FramePending,
  pendingMs: 0,
});

const home = createRoute({
  getParentRoute: () => app,
  path: '/',
  beforeLoad: ({ context }) => {
    const { projects } = context.me;
    const last = projects.find(({ id }) => id === getPrefs().project) ?? projects[0];
    if (!last) throw redirect({ to: '/settings' });
    throw redirect({ to: '/p/$project', params: { project: String(last.id) } });
  },
});

const project = createRoute({
  getParentRoute: () => app,
  path: '/p/$project',
  component: Outlet,
});

const overview = createRoute({
  getParentRoute: () => project,
  path: '/',
  validateSearch: (raw: RawSearch) => textParams(raw, 'q'),
  component: lazyPage(() => import('./routes/overview')),
});

const setup = createRoute({
  getParentRoute: () => project,
  path: '/setup',
  validateSearch: (raw: RawSearch) => textParams(raw, 'with'),
  component: lazyPage(() => import('./routes/setup')),
});

const bill = createRoute({
  getParentRoute: () => project,
  path: '/bill',
  component: lazyPage(() => import('./routes/bill')),
});

const traces = createRoute({
  getParentRoute: () => project,
  path: '/traces',
  validateSearch: (raw: RawSearch) => textParams(raw, 'q', 'sort', 'of'),
  component: lazyPage(() => import('./routes/traces')),
});

const trace = createRoute({
  getParentRoute: () => project,
  path: '/traces/$trace',
  validateSearch: (raw: RawSearch) => textParams(raw, 'span', 'view', 'tab', 'at', 'q', 'sort'),
  component: lazyPage(() => import('./routes/trace')),
});

const issues = createRoute({
  getParentRoute: () => project,
  path: '/issues',
  validateSearch: (raw: RawSearch) => textParams(raw, 'q', 'sort'),
  component: lazyPage(() => import('./routes/issues')),
});

const issue = createRoute({
  getParentRoute: () => project,
  path: '/issues/$issue',
  validateSearch: (raw: RawSearch) => textParams(raw, 'event', 'at', 'q', 'view'),
  component: lazyPage(() => import('./routes/issues/detail')),
});

const logs = createRoute({
  getParentRoute: () => project,
  path: '/logs',
  validateSearch: (raw: RawSearch) => textParams(raw, 'q', 'sort', 'line', 'at'),
  component: lazyPage(() => import('./routes/logs')),
});

const alerts = createRoute({
  getParentRoute: () => project,
  path: '/alerts',
  component: lazyPage(() => import('./routes/alerts')),
});

const incidents = createRoute({
  getParentRoute: () => project,
  path: '/alerts/incidents',
  validateSearch: (raw: RawSearch) => textParams(raw, 'state'),
  component: lazyPage(() => import('./routes/alerts/incidents')),
});

const incident = createRoute({
  getParentRoute: () => project,
  path: '/alerts/incidents/$incident',
  component: lazyPage(() => import('./routes/alerts/incident')),
});

const rule = createRoute({
  getParentRoute: () => project,
  path: '/alerts/rules/$rule',
  validateSearch: (raw: RawSearch) => textParams(raw, 'measure', 'filter', 'name'),
  component: lazyPage(() => import('./routes/alerts/rule')),
});

const budget = createRoute({
  getParentRoute: () => project,
  path: '/alerts/budgets/$budget',
  component: lazyPage(() => import('./routes/alerts/budget')),
});

const deliveries = createRoute({
  getParentRoute: () => project,
  path: '/alerts/deliveries',
  validateSearch: (raw: RawSearch) => textParams(raw, 'state', 'target'),
  component: lazyPage(() => import('./routes/alerts/deliveries')),
});

const targets = createRoute({
  getParentRoute: () => project,
  path: '/alerts/targets',
  validateSearch: (raw: RawSearch) => textParams(raw, 'back'),
  component: lazyPage(() => import('./routes/alerts/channels')),
});

const quality = createRoute({
  getParentRoute: () => project,
  path: '/quality',
  component: lazyPage(() => import('./routes/quality')),
});

const findings = createRoute({
  getParentRoute: () => project,
  path: '/quality/findings',
  validateSearch: (raw: RawSearch) => textParams(raw, 'q', 'kind', 'sort'),
  component: lazyPage(() => import('./routes/quality/findings')),
});

const evaluators = createRoute({
  getParentRoute: () => project,
  path: '/quality/evaluators',
  component: lazyPage(() => import('./routes/quality/evaluators')),
});

const evaluator = createRoute({
  getParentRoute: () => project,
  path: '/quality/evaluators/$evaluator',
  component: lazyPage(() => import('./routes/quality/evaluator')),
});

const metrics = createRoute({
  getParentRoute: () => project,
  path: '/metrics',
  validateSearch: (raw: RawSearch) => textParams(raw, 'metric', 'measure', 'by'),
  component: lazyPage(() => import('./routes/metrics')),
});

const mapping = createRoute({
  getParentRoute: () => project,
  path: '/mapping',
  validateSearch: (raw: RawSearch) => textParams(raw, 'trace', 'span'),
  component: lazyPage(() => import('./routes/mapping')),
});

const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  validateSearch: (raw: RawSearch) => textParams(raw, 'project', 'price', 'provider'),
  component: lazyPage(() => import('./routes/settings')),
});

const system = createRoute({
  getParentRoute: () => app,
  path: '/system',
  validateSearch: (raw: RawSearch) => textParams(raw, 'project'),
  component: lazyPage(() => import('./routes/system')),
});

const audit = createRoute({
  getParentRoute: () => app,
  path: '/audit',
  validateSearch: (raw: RawSearch) => textParams(raw, 'action', 'account', 'project'),
  component: lazyPage(() => import('./routes/audit')),
});

/** What no page answers to stays within the frame, and within its project. */
const unknownOfProject = createRoute({ getParentRoute: () => project, path: '$', component: NotFound });
const unknown = createRoute({ getParentRoute: () => app, path: '$', component: NotFound });

const tree = root.addChildren([
  signIn,
  setPassword,
  share,
  app.addChildren([
    home,
    project.addChildren([
      overview,
      setup,
      traces,
      trace,
      issues,
      issue,
      logs,
      bill,
      quality,
      evaluators,
      evaluator,
      findings,
      metrics,
      mapping,
      alerts,
      incidents,
      incident,
      rule,
      budget,
      deliveries,
      targets,
      unknownOfProject,
    ]),
    settings,
    system,
    audit,
    unknown,
  ]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    // The query client decides what is fresh; the router only starts it early.
    defaultPreloadStaleTime: 0,
    // A page is fetched while the old one stays, with a line that says so; after this time a skeleton takes its place.
    defaultPendingComponent: PagePending,
    defaultPendingMs: 400,
    defaultNotFoundComponent: NotFound,
    defaultErrorComponent: PageError,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
