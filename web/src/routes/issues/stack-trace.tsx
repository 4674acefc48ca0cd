import { useState } from 'react';
import type { Breadcrumb, Frame } from '../../api/types';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { Chip, UserText } from '../../components/values';
import { useLocale } from '../../locale';

/** Frames as they are read: one of ours, or a run of the libraries' that is folded until asked for. */
type FrameGroup = { own: true; frame: Frame; at: number } | { own: false; frames: Frame[]; at: number };

export function groupFrames(frames: Frame[]): FrameGroup[] {
  const inner = frames.toReversed();
  // Some SDKs mark no frame as the program's own: then all of them are shown.
  const marked = inner.some(({ in_app: own }) => own);
  const result: FrameGroup[] = [];
  inner.forEach((frame, at) => {
    const last = result[result.length - 1];
    if (frame.in_app || !marked) result.push({ own: true, frame, at });
    else if (last && !last.own) last.frames.push(frame);
    else result.push({ own: false, frames: [frame], at });
  });
  return result;
}

export function StackTrace({ frames }: { frames: Frame[] }) {
  const t = useT();
  const all = groupFrames(frames);
  const first = all.find(({ own }) => own);
  return (
    <section className="issues-section">
      <div className="section-head">
        <h2>{t('issues.stack')}</h2>
        {frames.length > 0 && <span className="section-note">{t('issues.stackWhy')}</span>}
      </div>
      {frames.length === 0 && <p className="text-dim">{t('issues.noStack')}</p>}
      <ol className="issues-frames">
        {all.map((run) =>
          run.own ? (
            <FrameRow key={run.at} frame={run.frame} open={run === first} marked />
          ) : (
            <LibraryFrames key={run.at} frames={run.frames} />
          ),
        )}
      </ol>
    </section>
  );
}

function LibraryFrames({ frames }: { frames: Frame[] }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  return (
    <>
      <li className="issues-folded-frames">
        <button type="button" data-testid="library-frames" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'down' : 'right'} size="tiny" />
          {t('issues.library', { n: frames.length })}
        </button>
      </li>
      {/* A frame has no id: where it stands in the stack is what it is. */}
      {open && frames.map((frame, at) => <FrameRow key={at} frame={frame} open={false} marked={false} />)}
    </>
  );
}

interface FrameRowProps {
  frame: Frame;
  open: boolean;
  marked: boolean;
}

function FrameRow({ frame, open: atFirst, marked }: FrameRowProps) {
  const t = useT();
  const [open, setOpen] = useState(atFirst);
  const lines = sourceLinesOf(frame);
  return (
    <li className={marked ? 'issues-frame is-own' : 'issues-frame'}>
      <button type="button" className="issues-frame-head" aria-expanded={open} disabled={lines.length === 0} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="tiny" className={lines.length === 0 ? 'is-empty' : ''} />
        <b className="monospace ellipsis" title={frame.function ?? undefined}>
          {frame.function ?? '?'}
        </b>
        <span className="text-dim monospace ellipsis" title={frame.filename ?? frame.module ?? undefined}>
          {frame.filename ?? frame.module}
          {frame.lineno !== null && `:${frame.lineno}`}
        </span>
        {marked && frame.in_app && <Chip>{t('issues.inApp')}</Chip>}
      </button>
      {open && lines.length > 0 && (
        <pre className="issues-source" tabIndex={0}>
          {lines.map(({ no, text, here }) => (
            <code key={no} className={here ? 'is-current-line' : undefined}>
              <i>{no}</i>
              {text}
            </code>
          ))}
        </pre>
      )}
    </li>
  );
}

interface SourceLine {
  no: number;
  text: string;
  here: boolean;
}

function sourceLinesOf({ lineno, context_line: line, pre_context: before, post_context: after }: Frame): SourceLine[] {
  if (line === null) return [];
  const texts = [...(before ?? []), line, ...(after ?? [])];
  const here = before?.length ?? 0;
  return texts.map((text, at) => ({ no: (lineno ?? here + 1) - here + at, text, here: at === here }));
}

export function Breadcrumbs({ breadcrumbs }: { breadcrumbs: Breadcrumb[] }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <section className="issues-section">
      <div className="section-head">
        <h2>{t('issues.breadcrumbs')}</h2>
      </div>
      {breadcrumbs.length === 0 ? (
        <p className="text-dim">{t('issues.noBreadcrumbs')}</p>
      ) : (
        <table className="data-table issues-breadcrumbs">
          <tbody>
            {breadcrumbs.map((breadcrumb, at) => (
              // Crumbs have no id either, and two may be alike.
              <tr key={at}>
                <td className="text-dim">{breadcrumb.timestamp && format.clock(breadcrumb.timestamp)}</td>
                <td className="text-dim">
                  <span className="ellipsis text-capped" title={breadcrumb.category ?? undefined}>
                    {breadcrumb.category}
                  </span>
                </td>
                <td className={`column-grow${breadcrumb.level === 'error' || breadcrumb.level === 'warning' ? ' text-warning' : ''}`}>
                  {breadcrumb.message && (
                    <span className="line-clamp">
                      <UserText text={breadcrumb.message} />
                    </span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
