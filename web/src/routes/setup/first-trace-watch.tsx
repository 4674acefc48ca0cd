import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api } from '../../api/client';
import { useLiveChange } from '../../api/live';
import { meQuery, tracesQuery } from '../../api/queries';
import type { Project } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { TowerIllustration } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { CopyIconButton } from '../../components/states';
import { useLocale } from '../../locale';
import { setupChecksOf, CHECKS_DELAY_MS } from './checks';
import { RecentOutcomes } from './recent-outcomes';
import { sendTestTrace } from './test-trace';

const POLL_MS = 3_000;
/** How often, and how long apart, a trace that was just accepted is asked for. */
const MAX_TRIES = 12;
const TRY_INTERVAL_MS = 400;

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** What really arrives, beside the steps. Waits for the first trace of a project, and opens it. */
export function FirstTraceWatch({ project, dsn, client: chosen }: { project: Project; dsn: string; client: string }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const opened = useRef(false);
  // Whether it waits is decided once: a trace that comes while the page stands is opened, not only counted.
  const [waiting] = useState(project.first_span_at === null);
  const waited = useWaitedTime();

  const open = useCallback(
    (trace: string) => {
      if (opened.current) return;
      opened.current = true;
      void client.invalidateQueries({ queryKey: meQuery.queryKey });
      void navigate({ to: '/p/$project/traces/$trace', params: { project: String(project.id), trace } });
    },
    [client, navigate, project.id],
  );

  useLiveChange(({ traces }) => {
    if (waiting && traces[0]) open(traces[0]);
  });
  // The live stream may be cut off by a proxy: asking now and then finds the first trace as well.
  const first = useQuery({
    ...tracesQuery(project.id, { from: '-24h', to: 'now' }, '-start_time', 1),
    enabled: waiting,
    refetchInterval: POLL_MS,
  });
  const found = waiting ? first.data?.traces[0]?.trace_id : undefined;
  useEffect(() => {
    if (found) open(found);
  }, [found, open]);

  return (
    <section className="setup-watch">
      <WatchHeader project={project} waiting={waiting} waited={waited} />
      <RecentOutcomes project={project} dsn={dsn} />
      {waiting && waited >= CHECKS_DELAY_MS && <SetupChecklist client={chosen} dsn={dsn} />}
      <TestTraceButton project={project} dsn={dsn} open={open} />
    </section>
  );
}

/** How long this page has stood, by the second. */
function useWaitedTime(): number {
  const [since] = useState(() => Date.now());
  const [now, setNow] = useState(since);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return Math.floor((now - since) / 1000) * 1000;
}

/** Nothing has come for a while: what to look at. */
function SetupChecklist({ client, dsn }: { client: string; dsn: string }) {
  const t = useT();
  return (
    <section className="setup-checks" aria-labelledby="setup-checks">
      <h2 id="setup-checks">{t('setup.checks')}</h2>
      <p className="text-dim">{t('setup.checksWhy')}</p>
      <ol>
        {setupChecksOf(client, dsn).map(({ text, code }) => (
          <li key={text}>
            <p>
              <InlineCodeText text={t(text)} />
            </p>
            {code && (
              <p className="setup-command-line">
                <code>{code}</code>
                <CopyIconButton text={code} />
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function WatchHeader({ project, waiting, waited }: { project: Project; waiting: boolean; waited: number }) {
  const t = useT();
  const { format } = useLocale();
  const age = plain(format.duration(Math.max(1000, waited))).replace(/[.,]\d+/, '');
  return (
    <div className="setup-watch-head">
      <TowerIllustration />
      <div>
        <h1>{waiting ? t('setup.waiting') : t('setup.receiving')}</h1>
        <p>
          {waiting
            ? t('setup.waitingWhy')
            : t('setup.receivingWhy', { time: format.day(project.first_span_at ?? project.created_at, true) })}
        </p>
        <p>
          <span className="live-toggle">{t('setup.listening', { age })}</span>
        </p>
      </div>
    </div>
  );
}

function TestTraceButton({ project, dsn, open }: { project: Project; dsn: string; open: (trace: string) => void }) {
  const t = useT();
  const [state, setState] = useState<'idle' | 'sending' | { problem: string }>('idle');
  const send = async () => {
    setState('sending');
    try {
      const trace = await sendTestTrace(dsn, project.id, { question: t('setup.testQuestion'), answer: t('setup.testAnswer') });
      for (let at = 0; at < MAX_TRIES; at += 1) {
        await wait(TRY_INTERVAL_MS);
        const { traces } = await api.get('/api/v1/projects/{project}/traces', {
          path: { project: project.id },
          query: { q: `trace:${trace}`, from: '-1h' },
        });
        if (traces.length > 0) {
          open(trace);
          return;
        }
      }
      setState({ problem: t('setup.testLate') });
    } catch (error) {
      setState({ problem: t('setup.testFailed', { why: error instanceof Error ? error.message : String(error) }) });
    }
  };
  return (
    <div className="setup-test">
      <button type="button" className="button button-primary" disabled={state === 'sending'} onClick={() => void send()}>
        {state === 'sending' ? t('setup.testing') : t('setup.test')}
      </button>
      {typeof state === 'object' ? (
        <span className="text-error" role="alert">
          {state.problem}
        </span>
      ) : (
        <span className="text-dim">{t('setup.testWhy')}</span>
      )}
    </div>
  );
}
