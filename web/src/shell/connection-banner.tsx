import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { probe } from '../api/client';
import { getConnection, useConnection } from '../api/connection';
import { useT } from '../i18n';
import { Icon } from '../components/icons';
import { useLocale } from '../locale';

const RETRY_MS = 5_000;

/** Says on every page that the server does not answer, tries again, and refreshes what is shown when it does. */
export function ConnectionBanner() {
  const t = useT();
  const { format } = useLocale();
  const client = useQueryClient();
  const router = useRouter();
  const state = useConnection();
  const [trying, setTrying] = useState(false);
  const wasLost = useRef(false);

  useEffect(() => {
    if (state === 'ok' && wasLost.current) {
      wasLost.current = false;
      void client.invalidateQueries();
      void router.invalidate();
    }
    if (state !== 'lost') return;
    wasLost.current = true;
    const timer = window.setInterval(() => void probe(), RETRY_MS);
    return () => window.clearInterval(timer);
  }, [client, router, state]);

  if (state === 'ok') return null;
  const { lastAnswer } = getConnection();
  const tryNow = async () => {
    setTrying(true);
    await probe();
    setTrying(false);
  };
  return (
    <div className="banner is-critical banner-connection" role="alert">
      <Icon name="issues" />
      <b>{t(state === 'lost' ? 'common.offline' : 'common.slow')}</b>
      {lastAnswer !== null && (
        <span className="ellipsis">
          {t(state === 'lost' ? 'common.offlineShownFrom' : 'common.slowShownFrom', { time: format.hourMinute(lastAnswer) })}
        </span>
      )}
      <span className="spacer" />
      <button type="button" className="button" disabled={trying} onClick={() => void tryNow()}>
        <Icon name="retry" size="small" />
        {t(trying ? 'common.retrying' : 'common.tryAgain')}
      </button>
    </div>
  );
}
