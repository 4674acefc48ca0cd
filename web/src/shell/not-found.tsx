import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError, probe } from '../api/client';
import { useConnection } from '../api/connection';
import { useT } from '../i18n';
import { PageLoadError, reloadPage } from '../components/lazy-page';
import { EmptyState, ErrorMessage } from '../components/states';

export function NotFound() {
  const t = useT();
  return (
    <EmptyState
      title={t('common.notFound')}
      action={
        <Link className="button" to="/">
          {t('common.home')}
        </Link>
      }
    >
      {t('common.notFoundWhy')}
    </EmptyState>
  );
}

const RETRY_MS = 5_000;

/** A page that broke: said in place, with a way to try again. One that lacked the server comes back when the server does. */
export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const state = useConnection();
  const [again, setAgain] = useState(false);
  const lacksServer = error instanceof PageLoadError || (error instanceof ApiError && error.code === 'offline');
  const retry = async () => {
    setAgain(true);
    // What a browser failed to fetch as a module it may not fetch again before the next document.
    if (error instanceof PageLoadError) await reloadPage();
    else {
      reset();
      await router.invalidate();
    }
    setAgain(false);
  };
  useEffect(() => {
    if (!lacksServer) return;
    const timer = window.setInterval(() => void probe(), RETRY_MS);
    return () => window.clearInterval(timer);
  }, [lacksServer]);
  const [wasLost, setWasLost] = useState(false);
  useEffect(() => {
    if (!lacksServer) return;
    if (state === 'lost') setWasLost(true);
    else if (wasLost) void retry();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [state, lacksServer, wasLost]);
  return (
    <div className="pane">
      <ErrorMessage error={error} busy={again} onRetry={() => void retry()} />
    </div>
  );
}
