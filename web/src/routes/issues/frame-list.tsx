import { useState } from 'react';
import type { Frame } from '../../api/types';
import { Icon } from '../../components/icons';
import { Chip } from '../../components/values';
import { useT } from '../../i18n';
import { frameLocation, groupFrames, leadingFrame, sourceLinesOf } from './frame-groups';
import { StructuredTable } from './structured-value';

interface FrameListProps {
  frames: Frame[];
  /** Number of the outermost frames that the server removed. */
  cut: number;
  /** Whether the first frame of the program is open. */
  lead: boolean;
  /** Whether library frames are unfolded. */
  all: boolean;
}

/** Frames from inside out; runs of library frames are folded. */
export function FrameList({ frames, cut, lead, all }: FrameListProps) {
  const t = useT();
  const groups = groupFrames(frames);
  const first = lead ? leadingFrame(groups) : undefined;
  if (frames.length === 0) return null;
  return (
    <ol className="issues-frames">
      {groups.map((group) =>
        group.own ? (
          <FrameRow key={group.at} frame={group.frame} open={group === first} own />
        ) : (
          <LibraryFrames key={`${group.at} ${all}`} frames={group.frames} open={all} />
        ),
      )}
      {cut > 0 && <li className="issues-frames-note">{t('issues.framesCut', { n: cut })}</li>}
    </ol>
  );
}

function LibraryFrames({ frames, open: atFirst }: { frames: Frame[]; open: boolean }) {
  const t = useT();
  const [open, setOpen] = useState(atFirst);
  return (
    <>
      <li className="issues-folded-frames">
        <button type="button" data-testid="library-frames" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'down' : 'right'} size="tiny" />
          {t('issues.library', { n: frames.length })}
          {!open && <span className="text-dim monospace ellipsis">{frames[0]?.function}</span>}
        </button>
      </li>
      {/* A frame has no id: its place in the stack identifies it. */}
      {open && frames.map((frame, at) => <FrameRow key={at} frame={frame} open={false} own={false} />)}
    </>
  );
}

/** Facts about a frame beside its function and location. */
function frameFacts(frame: Frame): [string, string][] {
  const location = frameLocation(frame);
  const facts: [string, string | null][] = [
    ['abs_path', frame.abs_path],
    ['module', frame.module],
    ['package', frame.package],
    ['instruction_addr', frame.instruction_addr],
  ];
  return facts.flatMap(([name, value]) => (value !== null && !location.startsWith(value) ? [[name, value]] : []));
}

/** Variables of the program first: Python adds those of the module, such as `__builtins__`. */
function sortedVariables(variables: Frame['vars']): [string, unknown][] {
  const isInternal = (name: string) => /^__.+__$/.test(name);
  const entries = Object.entries(variables);
  return [...entries.filter(([name]) => !isInternal(name)), ...entries.filter(([name]) => isInternal(name))];
}

function FrameRow({ frame, open: atFirst, own }: { frame: Frame; open: boolean; own: boolean }) {
  const t = useT();
  const [open, setOpen] = useState(atFirst);
  const lines = sourceLinesOf(frame);
  const variables = sortedVariables(frame.vars);
  const facts = frameFacts(frame);
  const foldable = lines.length > 0 || variables.length > 0 || facts.length > 0;
  return (
    <li className={own ? 'issues-frame is-own' : 'issues-frame'}>
      <button type="button" className="issues-frame-head" aria-expanded={foldable ? open : undefined} disabled={!foldable} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="tiny" className={foldable ? '' : 'is-empty'} />
        <b className="monospace ellipsis" title={frame.function ?? undefined}>
          {frame.function ?? '?'}
        </b>
        <span className="text-dim monospace ellipsis" title={frame.abs_path ?? frame.filename ?? frame.module ?? undefined}>
          {frameLocation(frame)}
        </span>
        {frame.in_app && <Chip>{t('issues.inApp')}</Chip>}
      </button>
      {open && foldable && (
        <div className="issues-frame-body">
          {lines.length > 0 && (
            <pre className="issues-source" tabIndex={0}>
              {lines.map(({ no, text, here }, at) => (
                <code key={at} className={here ? 'is-current-line' : undefined}>
                  <i>{no ?? ''}</i>
                  {text}
                </code>
              ))}
            </pre>
          )}
          {variables.length > 0 && (
            <div className="issues-variables" role="group" aria-label={t('issues.variables')}>
              <StructuredTable entries={variables} />
            </div>
          )}
          {facts.length > 0 && (
            <p className="issues-frame-facts monospace text-dim">
              {facts.map(([name, value]) => (
                <span key={name}>
                  {name} <span className="text-medium">{value}</span>
                </span>
              ))}
            </p>
          )}
        </div>
      )}
    </li>
  );
}
