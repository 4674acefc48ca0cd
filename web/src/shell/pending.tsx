import { useRouterState } from '@tanstack/react-router';
import { useT } from '../i18n';
import { Logo } from '../components/icons';
import { Skeleton } from '../components/states';

/** A line below the bar from the moment a page is asked for until it stands. */
export function NavigationProgress() {
  const t = useT();
  const pending = useRouterState({ select: ({ status }) => status === 'pending' });
  return pending ? <div className="navigation-progress" role="progressbar" aria-label={t('common.loading')} /> : null;
}

/** In place of a page whose code is on its way. */
export function PagePending() {
  return (
    <div className="sheet pane">
      <Skeleton rows={12} />
    </div>
  );
}

/** In place of everything, until it is known who asks: the frame as it will stand. `index.html` holds the same for the time before. */
export function FramePending() {
  return (
    <div className="app-frame">
      <nav className="sidebar" aria-hidden="true">
        <span className="sidebar-logo">
          <Logo />
          <span>Hinomi</span>
        </span>
      </nav>
      <header className="top-bar" />
      <main>
        <PagePending />
      </main>
    </div>
  );
}
