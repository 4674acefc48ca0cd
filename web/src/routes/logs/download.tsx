import { useEffect, useRef, useState } from 'react';
import type { Scope } from '../../api/queries';
import { Icon } from '../../components/icons';
import { useT } from '../../i18n';
import { collectJsonLines, MAX_DOWNLOADED, pagesOf, saveFile } from './download-lines';

type DownloadState = { kind: 'ready' } | { kind: 'running'; count: number } | { kind: 'cut'; count: number } | { kind: 'failed'; message: string };

/** Downloads what the list shows as JSON Lines. A second click cancels. */
export function DownloadLines({ project, scope, sort }: { project: number; scope: Scope; sort: string }) {
  const t = useT();
  const [state, setState] = useState<DownloadState>({ kind: 'ready' });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const download = async () => {
    const controller = new AbortController();
    running.current = controller;
    setState({ kind: 'running', count: 0 });
    try {
      const ask = pagesOf(project, scope, sort, controller.signal);
      const { parts, count, isComplete } = await collectJsonLines(ask, MAX_DOWNLOADED, (n) => setState({ kind: 'running', count: n }));
      saveFile(`logs-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.jsonl`, parts);
      setState(isComplete ? { kind: 'ready' } : { kind: 'cut', count });
    } catch (error) {
      if (controller.signal.aborted) setState({ kind: 'ready' });
      else setState({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    } finally {
      running.current = null;
    }
  };

  const isRunning = state.kind === 'running';
  return (
    <>
      <button
        type="button"
        className="button"
        title={t(isRunning ? 'logs.downloadCancel' : 'logs.downloadWhy')}
        onClick={() => (isRunning ? running.current?.abort() : void download())}
      >
        <Icon name={isRunning ? 'close' : 'download'} size="small" />
        {isRunning ? t('logs.downloading', { n: state.count }) : t('logs.download')}
      </button>
      {state.kind === 'cut' && (
        <p className="logs-download-note text-dim" role="status">
          {t('logs.downloadCut', { n: state.count })}
        </p>
      )}
      {state.kind === 'failed' && (
        <p className="logs-download-note text-error" role="alert">
          {t('common.notDone')}: {state.message}
        </p>
      )}
    </>
  );
}
