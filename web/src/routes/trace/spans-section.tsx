import { useDeferredValue, useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useQuery } from '@tanstack/react-query';
import { traceSearchQuery } from '../../api/queries';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { Icon } from '../../components/icons';
import { useEvent } from '../../components/use-event';
import { usePaused } from '../../components/use-paused';
import { useIsPhone } from '../../components/virtual-rows';
import { useLocale } from '../../locale';
import { useTraceView, useSelectedSpan, type ViewMode } from './context';
import { OperationsTable } from './operations';
import { SpanRows } from './span-rows';
import { CopyTranscript, Transcript } from './transcript';
import { ancestors, matchesText, visibleNodes, type SpanNode } from './model/tree';

/** A pause in typing after which the server is asked. */
const PAUSE_MS = 200;

interface SpansSectionProps {
  view: ViewMode;
  views: ViewMode[];
  onView: (view: ViewMode) => void;
  /** Enter: to the detail of the selected span. */
  onOpen: () => void;
}

/** The spans of a trace as tree, timeline, operations or, where there is no room beside them, transcript. */
export function SpansSection({ view, views, onView, onOpen }: SpansSectionProps) {
  const t = useT();
  const { format } = useLocale();
  const { project, data, tree, select } = useTraceView();
  const selected = useSelectedSpan();
  const isPhone = useIsPhone();
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [words, setWords] = useState('');
  const line = useRef<HTMLInputElement>(null);
  const searchTerm = useDeferredValue(words.trim());
  const asked = usePaused(searchTerm, PAUSE_MS);
  // The page knows names and the first letters of texts; the server searches the whole texts.
  const search = useQuery({
    ...traceSearchQuery(project.id, data.trace.trace_id, asked),
    enabled: asked !== '',
    placeholderData: undefined,
    staleTime: 30_000,
  });
  const inTexts = useMemo(() => new Set(asked === searchTerm ? search.data?.span_ids : []), [asked, searchTerm, search.data]);
  const searching = searchTerm !== '' && (asked !== searchTerm || search.isPending);
  const found = useMemo(
    () => (searchTerm ? tree.nodes.filter((node) => inTexts.has(node.span.span_id) || matchesText(node, searchTerm)) : null),
    [tree, searchTerm, inTexts],
  );
  const foundSet = useMemo(() => found && new Set(found), [found]);
  const timeline = view === 'timeline';
  const rows = useMemo(
    () => (timeline ? tree.nodes.toSorted((a, b) => a.start - b.start || b.end - a.end) : visibleNodes(tree.nodes, folded)),
    [tree, folded, timeline],
  );
  const lists = view === 'tree' || timeline;

  const fold = useEvent((node: SpanNode, collapsed: boolean) => {
    setFolded((was) => {
      const next = new Set(was);
      if (collapsed) next.add(node.span.span_id);
      else next.delete(node.span.span_id);
      return next;
    });
    // A selection that would be out of sight moves up to what hides it.
    if (collapsed && selected && ancestors(selected).includes(node)) select(node.span.span_id);
  });
  const pick = useEvent((node: SpanNode) => select(node.span.span_id));
  const allFolded = folded.size > 0;
  const foldAll = () => {
    if (allFolded) setFolded(new Set());
    else setFolded(new Set(tree.nodes.filter(({ children, depth }) => children.length > 0 && depth > 0).map(({ span }) => span.span_id)));
  };
  const show = (node: SpanNode) => {
    const hiding = ancestors(node).filter(({ span }) => folded.has(span.span_id));
    if (hiding.length > 0) setFolded((was) => new Set([...was].filter((id) => !hiding.some(({ span }) => span.span_id === id))));
    select(node.span.span_id);
  };

  const at = selected ? rows.indexOf(selected) : -1;
  const go = (to: number) => {
    const node = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (node) select(node.span.span_id);
  };
  const move = (step: number) => go(at < 0 ? 0 : at + step);
  const sideways = (right: boolean) => {
    if (!selected || timeline) return;
    const collapsed = folded.has(selected.span.span_id);
    const parent = selected.children.length > 0;
    if (right && parent && collapsed) fold(selected, false);
    else if (right && parent) go(at + 1);
    else if (!right && parent && !collapsed) fold(selected, true);
    else if (!right && selected.parent) select(selected.parent.span.span_id);
  };
  const keys: Record<string, () => void> = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    ArrowRight: () => sideways(true),
    ArrowLeft: () => sideways(false),
    Home: () => go(0),
    End: () => go(rows.length - 1),
    PageDown: () => move(20),
    PageUp: () => move(-20),
    Enter: onOpen,
  };
  const onKey = (event: KeyboardEvent) => {
    const run = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (!run) return;
    event.preventDefault();
    run();
  };
  useKeyboardShortcuts({
    ...(lists && {
      j: () => move(1),
      k: () => move(-1),
      h: () => sideways(false),
      l: () => sideways(true),
      '/': () => line.current?.focus(),
    }),
  });

  const step = (by: number) => {
    if (!found || found.length === 0) return;
    const here = selected ? found.indexOf(selected) : -1;
    const next = found[(here + by + found.length) % found.length] ?? found[0];
    if (next) show(next);
  };
  const position = found && selected ? found.indexOf(selected) + 1 : 0;
  // Once all is searched, the first hit is shown, unless one is already. On a phone it would cover the line in which one types.
  const jump = useEvent(() => {
    if (!isPhone && found && found.length > 0 && position === 0) show(found[0]!);
  });
  useEffect(() => {
    if (searchTerm && !searching) jump();
  }, [searchTerm, searching, jump]);

  return (
    <div className="trace-spans">
      <div className="trace-tools">
        <div className="segmented" role="group" aria-label={t('trace.views')}>
          {views.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={view === one}
              className={view === one ? 'is-selected' : undefined}
              onClick={() => onView(one)}
            >
              {t(`trace.view.${one}`)}
            </button>
          ))}
        </div>
        {!isPhone && <span className="text-dim">{t('common.spans', { n: format.count(tree.nodes.length) })}</span>}
        <span className="spacer" />
        {lists && (
          <>
            {!project.messages_hidden && (
              <label className="trace-search trace-search-slim">
                <Icon name="search" size="small" />
                <input
                  title={t('trace.searchWhy')}
                  ref={line}
                  value={words}
                  placeholder={t('trace.searchShort')}
                  aria-label={t('trace.search')}
                  spellCheck={false}
                  onChange={(event) => setWords(event.target.value)}
                  onKeyDown={(event) => {
                    if (event.nativeEvent.isComposing) return;
                    if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
                    else if (event.key === 'Escape') {
                      setWords('');
                      line.current?.blur();
                    }
                  }}
                />
                {found ? (
                  <span className="text-dim" aria-live="polite">
                    {found.length === 0
                      ? searching
                        ? '…'
                        : t('trace.noHit')
                      : `${position > 0 ? format.count(position) : '–'}/${format.count(found.length)}`}
                  </span>
                ) : (
                  !isPhone && <kbd>/</kbd>
                )}
              </label>
            )}
            <span className="text-dim trace-bar-legend" aria-hidden="true">
              <i />
              {t('trace.ownTime')}
              <i className="trace-legend-waiting" />
              {t('trace.waiting')}
              <i className="trace-legend-critical" />
              {t('trace.criticalPath')}
            </span>
            {view === 'tree' && (
              <button
                type="button"
                className="icon-button"
                onClick={foldAll}
                title={t(allFolded ? 'trace.unfoldAll' : 'trace.foldAll')}
                aria-label={t(allFolded ? 'trace.unfoldAll' : 'trace.foldAll')}
              >
                <Icon name="fold" size="small" />
              </button>
            )}
          </>
        )}
        {view === 'transcript' && <CopyTranscript />}
      </div>
      {lists && <SpanRows rows={rows} timeline={timeline} folded={folded} onFold={fold} found={foundSet} onKey={onKey} onPick={pick} />}
      {view === 'operations' && <OperationsTable />}
      {view === 'transcript' && <Transcript />}
    </div>
  );
}
