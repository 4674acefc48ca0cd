import { useState } from 'react';
import type { Breadcrumb, Frame } from '../../api/issue-types';
import { useT } from '../../i18n';
import { Icon } from '../../parts/icons';
import { Chip, Said } from '../../parts/values';
import { useReader } from '../../reader';

/** Frames as they are read: one of ours, or a run of the libraries' that is folded until asked for. */
type Run = { own: true; frame: Frame; at: number } | { own: false; frames: Frame[]; at: number };

export function runs(frames: Frame[]): Run[] {
  const inner = frames.toReversed();
  // Some SDKs mark no frame as the program's own: then all of them are shown.
  const marked = inner.some(({ in_app: own }) => own);
  const result: Run[] = [];
  inner.forEach((frame, at) => {
    const last = result[result.length - 1];
    if (frame.in_app || !marked) result.push({ own: true, frame, at });
    else if (last && !last.own) last.frames.push(frame);
    else result.push({ own: false, frames: [frame], at });
  });
  return result;
}

export function Stack({ frames }: { frames: Frame[] }) {
  const t = useT();
  const all = runs(frames);
  const first = all.find(({ own }) => own);
  return (
    <section className="issue-section">
      <div className="head">
        <h2>{t('issues.stack')}</h2>
        {frames.length > 0 && <span className="meta">{t('issues.stackWhy')}</span>}
      </div>
      {frames.length === 0 && <p className="dim">{t('issues.noStack')}</p>}
      <ol className="frames">
        {all.map((run) =>
          run.own ? <FrameRow key={run.at} frame={run.frame} open={run === first} marked /> : <Folded key={run.at} frames={run.frames} />,
        )}
      </ol>
    </section>
  );
}

function Folded({ frames }: { frames: Frame[] }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  return (
    <>
      <li className="folded">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'down' : 'right'} size="xs" />
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
  const lines = linesOf(frame);
  return (
    <li className={marked ? 'frame own' : 'frame'}>
      <button type="button" className="fhead" aria-expanded={open} disabled={lines.length === 0} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="xs" className={lines.length === 0 ? 'none' : ''} />
        <b className="mono ell" title={frame.function ?? undefined}>
          {frame.function ?? '?'}
        </b>
        <span className="dim mono ell" title={frame.filename ?? frame.module ?? undefined}>
          {frame.filename ?? frame.module}
          {frame.lineno !== null && `:${frame.lineno}`}
        </span>
        {marked && frame.in_app && <Chip>{t('issues.inApp')}</Chip>}
      </button>
      {open && lines.length > 0 && (
        <pre className="src" tabIndex={0}>
          {lines.map(({ no, text, here }) => (
            <code key={no} className={here ? 'here' : undefined}>
              <i>{no}</i>
              {text}
            </code>
          ))}
        </pre>
      )}
    </li>
  );
}

interface Line {
  no: number;
  text: string;
  here: boolean;
}

function linesOf({ lineno, context_line: line, pre_context: before, post_context: after }: Frame): Line[] {
  if (line === null) return [];
  const texts = [...(before ?? []), line, ...(after ?? [])];
  const here = before?.length ?? 0;
  return texts.map((text, at) => ({ no: (lineno ?? here + 1) - here + at, text, here: at === here }));
}

export function Breadcrumbs({ crumbs }: { crumbs: Breadcrumb[] }) {
  const t = useT();
  const { format } = useReader();
  return (
    <section className="issue-section">
      <div className="head">
        <h2>{t('issues.breadcrumbs')}</h2>
      </div>
      {crumbs.length === 0 ? (
        <p className="dim">{t('issues.noBreadcrumbs')}</p>
      ) : (
        <table className="tbl crumbt">
          <tbody>
            {crumbs.map((crumb, at) => (
              // Crumbs have no id either, and two may be alike.
              <tr key={at}>
                <td className="dim">{crumb.timestamp && format.clock(crumb.timestamp)}</td>
                <td className="dim">
                  <span className="ell cap" title={crumb.category ?? undefined}>
                    {crumb.category}
                  </span>
                </td>
                <td className={`grow${crumb.level === 'error' || crumb.level === 'warning' ? ' wrn' : ''}`}>
                  {crumb.message && (
                    <span className="clamp">
                      <Said text={crumb.message} />
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
