import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ApiError } from '../../api/client';
import { useLiveChange } from '../../api/live';
import { traceQuery } from '../../api/queries';
import type { TraceDetail } from '../../api/types';
import { traceName } from '../../api/trace-name';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useModelColors } from '../../model-colors';
import { Icon } from '../../components/icons';
import { CopyButton, EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useEvent } from '../../components/use-event';
import { useMediaQuery } from '../../components/virtual-rows';
import { useProject } from '../../project';
import { rangeAround } from '../../range';
import { useRange } from '../../locale';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import { TraceViewProvider, SelectedSpanProvider, type TraceView, type ViewMode } from './context';
import { SpanDetailPane } from './detail';
import { ErrorEvents } from './error-events';
import { TraceLogs } from './logs';
import { Findings } from './findings';
import { Scores } from './scores';
import { TraceHeader } from './header';
import { TraceHints } from './trace-hints';
import { EarlierRuns } from './earlier-runs';
import { criticalPath, idleIntervals, makeTimeAxis } from './model/time';
import { modelCalls } from './model/transcript';
import { buildTree, isModelCall } from './model/tree';
import { NeighbourLinks } from './neighbours';
import { SpanlessTrace } from './spanless';
import { SpansSection } from './spans-section';
import { CopyTranscript, Transcript, TranscriptSummary } from './transcript';
import './styles/frame.css';
import './styles/tree.css';
import './styles/below.css';
import './styles/logs.css';
import './styles/span.css';
import './styles/spanless.css';
import './styles/transcript.css';
import './styles/narrow.css';

/** How long after its last change a trace counts as still arriving. */
const ARRIVING_MS = 8_000;
const LIVE_MS = 700;

/** One trace: what happened, where the time and the money went, and what was said. */
export default function Trace() {
  const t = useT();
  const project = useProject();
  const navigate = useNavigate();
  const { trace: id } = useParams({ from: '/app/p/$project/traces/$trace' });
  const { at, q, sort } = useSearch({ from: '/app/p/$project/traces/$trace' });
  const query = useQuery({ ...traceQuery(project.id, id, at), placeholderData: undefined, meta: { live: false } });
  const { data, error, refetch } = query;
  usePageTitle(data ? traceName(data.trace) : t('trace.title'));

  const arriving = useArrivingSpans([id, data?.trace.trace_id], refetch);
  const list = { to: '/p/$project/traces' as const, params: { project: String(project.id) }, search: { q, sort } };
  useKeyboardShortcuts({ Escape: () => void navigate(list) });
  const gone = error instanceof ApiError && error.status === 404;

  return (
    <>
      <TopBarSlot side="left">
        <span className="breadcrumb-slash">/</span>
        <Link className="picker" {...list}>
          {t('traces.title')}
        </Link>
        {data && (
          <span className="top-bar-breadcrumb">
            <span className="breadcrumb-slash">/</span>
            <span className="picker">
              <b title={traceName(data.trace)}>{traceName(data.trace)}</b>
            </span>
          </span>
        )}
      </TopBarSlot>
      <TopBarSlot side="right">
        <NeighbourLinks project={project.id} trace={data?.trace.trace_id ?? id} q={q} sort={sort} />
        <span className="trace-copy-link">
          <CopyButton icon="link" text={() => window.location.href} label={t('trace.copyLink')} />
        </span>
      </TopBarSlot>
      {gone && (
        <EmptyState
          title={t('trace.notFound')}
          action={
            <Link className="button" {...list}>
              {t('trace.backToTraces')}
            </Link>
          }
        >
          {t('trace.notFoundWhy', { n: project.retention_days })}
        </EmptyState>
      )}
      {error && !gone && !data && (
        <div className="pane">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {query.isPending && (
        <div className="pane sheet">
          <Skeleton rows={2} height={40} />
          <Skeleton rows={14} height={24} />
        </div>
      )}
      {data && data.spans.length > 0 && <TraceContent key={data.trace.trace_id} data={data} arriving={arriving} />}
      {data && data.spans.length === 0 && <SpanlessTrace project={project} data={data} />}
    </>
  );
}

/** Asks again whenever the live stream names this trace; true while it keeps doing so. */
function useArrivingSpans(ids: (string | undefined)[], refetch: () => unknown): boolean {
  const [arriving, setArriving] = useState(false);
  const asking = useRef<number | undefined>(undefined);
  const quiet = useRef<number | undefined>(undefined);
  useEffect(
    () => () => {
      window.clearTimeout(asking.current);
      window.clearTimeout(quiet.current);
    },
    [],
  );
  useLiveChange(({ traces }) => {
    if (!traces.some((one) => ids.includes(one))) return;
    setArriving(true);
    window.clearTimeout(quiet.current);
    quiet.current = window.setTimeout(() => setArriving(false), ARRIVING_MS);
    asking.current ??= window.setTimeout(() => {
      asking.current = undefined;
      void refetch();
    }, LIVE_MS);
  });
  return arriving;
}

/** Traces with more spans need the room below the tree for the tree. */
const SHORT_SCREEN = 40;
/** A selection by keys is written into the address bar after a pause. */
const SETTLE_MS = 160;

function TraceContent({ data, arriving }: { data: TraceDetail; arriving: boolean }) {
  const t = useT();
  const project = useProject();
  const navigate = useNavigate();
  const wide = useMediaQuery('(min-width: 901px)');
  const { span, view, tab, at } = useSearch({ from: '/app/p/$project/traces/$trace' });

  const tree = useMemo(() => buildTree(data.spans, data.errors), [data]);
  const gaps = useMemo(() => idleIntervals(tree), [tree]);
  const axis = useMemo(() => makeTimeAxis(tree.length, gaps), [tree, gaps]);
  const critical = useMemo(() => (tree.nodes.length > 1 ? criticalPath(tree) : new Map()), [tree]);
  const range = useRange();
  const around = useMemo(() => rangeAround(range, tree.origin, tree.origin + tree.length), [range, tree]);
  const palette = useModelColors(project.id);
  const colorOf = useMemo(() => palette.among(data.trace.models), [palette, data]);
  const calls = useMemo(() => modelCalls(tree), [tree]);

  // What is selected is here at once; the address bar, and with it the detail, follows when the keys rest.
  const [picked, setPicked] = useState<{ span: string; from: string | undefined } | null>(null);
  const pending = picked && picked.from === span ? picked.span : undefined;
  const chosen = pending ?? span;
  const speaks = calls.length > 1 || (calls.length === 1 && data.trace.tool_calls > 0);
  const fallback = calls.length === 1 ? calls[0] : (tree.nodes.find((node) => isModelCall(node.span)) ?? tree.roots[0]);
  const selected = (chosen ? tree.byId.get(chosen) : undefined) ?? (wide && !speaks ? fallback : undefined) ?? null;
  const shown = (span ? tree.byId.get(span) : undefined) ?? (wide && !speaks ? fallback : undefined) ?? null;
  const transcribed = wide && speaks && (tab === 'transcript' || (span === undefined && tab === undefined) || shown === null);

  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const setSearch = useEvent(
    (patch: { span?: string; view?: string; tab?: string }, replace?: boolean) =>
      void navigate({ to: '.', search: (was) => ({ ...was, ...patch }), replace: replace ?? true, resetScroll: false }),
  );
  const settle = useEvent((id: string, keep?: 'transcript') =>
    // On a phone the detail covers the list: the way back leads out of it.
    setSearch({ span: id, tab: keep ?? (tab === 'transcript' ? undefined : tab) }, wide || span !== undefined),
  );
  const select = useEvent((id: string, keep?: 'transcript') => {
    setPicked({ span: id, from: span });
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(settle, wide ? SETTLE_MS : 0, id, keep);
  });
  const setTab = useEvent((next: string) => setSearch({ tab: next, ...(shown && { span: shown.span.span_id }) }));

  const traceView = useMemo<TraceView>(
    () => ({ project, data, at, around, tree, axis, critical, colorOf, select }),
    [project, data, at, around, tree, axis, critical, colorOf, select],
  );
  const views: ViewMode[] = wide || !speaks ? ['tree', 'timeline', 'operations'] : ['tree', 'timeline', 'transcript', 'operations'];
  const shownView = views.find((one) => one === view) ?? 'tree';
  const pane = useRef<HTMLElement>(null);
  const setView = useEvent((next: ViewMode) => setSearch({ view: next === 'tree' ? undefined : next }));
  const openPane = useEvent(() => pane.current?.focus());
  const close = () => setSearch({ span: undefined, tab: undefined });

  return (
    <TraceViewProvider value={traceView}>
      <SelectedSpanProvider value={selected}>
        <div>
          <TraceHeader arriving={arriving} />
          <TraceHints />
          <div className="trace-layout">
            <div className="trace-left-column">
              <SpansSection view={shownView} views={views} onView={setView} onOpen={openPane} />
              <ErrorEvents />
              <Findings />
              <Scores />
              <TraceLogs />
              {tree.nodes.length <= SHORT_SCREEN && shownView !== 'transcript' && <EarlierRuns />}
            </div>
            {wide && (
              <section className="trace-detail" ref={pane} tabIndex={-1} aria-label={t('trace.detail')}>
                {speaks && (
                  <div className="trace-tools trace-detail-tools">
                    <div className="segmented" role="group" aria-label={t('trace.sidePanel')}>
                      <button
                        type="button"
                        aria-pressed={transcribed}
                        className={transcribed ? 'is-selected' : undefined}
                        onClick={() => setSearch({ tab: 'transcript' })}
                      >
                        {t('trace.view.transcript')}
                      </button>
                      <button
                        type="button"
                        aria-pressed={!transcribed}
                        className={transcribed ? undefined : 'is-selected'}
                        onClick={() => {
                          const next = selected ?? fallback;
                          if (next) setSearch({ tab: undefined, span: next.span.span_id });
                        }}
                      >
                        {t('trace.span')}
                      </button>
                    </div>
                    {transcribed && (
                      <>
                        <TranscriptSummary />
                        <span className="spacer" />
                        <CopyTranscript />
                      </>
                    )}
                  </div>
                )}
                {transcribed ? <Transcript /> : shown && <SpanDetailPane key={shown.span.span_id} node={shown} tab={tab} onTab={setTab} />}
              </section>
            )}
          </div>
          {!wide && shown && (
            <DetailSheet onClose={close}>
              <SpanDetailPane key={shown.span.span_id} node={shown} tab={tab} onTab={setTab} />
            </DetailSheet>
          )}
        </div>
      </SelectedSpanProvider>
    </TraceViewProvider>
  );
}

/** On a phone the detail comes up over the list. */
function DetailSheet({ onClose, children }: { onClose: () => void; children: React.ReactNode }) {
  const t = useT();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    <dialog className="trace-detail-sheet" ref={dialog} aria-label={t('trace.detail')} onClose={onClose}>
      <div className="trace-sheet-handle">
        <button type="button" className="button button-quiet" onClick={() => dialog.current?.close()}>
          <Icon name="down" size="small" />
          {t('trace.backToTree')}
        </button>
      </div>
      <div className="trace-detail">{children}</div>
    </dialog>
  );
}
