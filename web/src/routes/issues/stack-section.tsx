import { useState } from 'react';
import type { ErrorException, ExceptionMechanism, IssueEvent, ProgramThread } from '../../api/types';
import { Icon } from '../../components/icons';
import { Chip, UserText } from '../../components/values';
import { useT, type T } from '../../i18n';
import { EventSection } from './event-section';
import { exceptionRelation } from './exception-relation';
import { countFolded, groupFrames } from './frame-groups';
import { FrameList } from './frame-list';
import { relationTitle } from './relation-title';
import { StructuredTable } from './structured-value';

/** Exceptions whose frames are shown at first: the one raised last, and the oldest cause; in a short chain all. */
const MAX_OPEN_EXCEPTIONS = 3;

/** Stacks of an event: the exceptions with their frames, and the other threads. */
export function StackSection({ event }: { event: IssueEvent }) {
  const t = useT();
  const [thread, setThread] = useState<number | null>(null);
  const [all, setAll] = useState(false);
  const other = thread === null ? undefined : event.threads[thread];
  const stacks = other ? [other.frames] : [event.frames, ...event.exceptions.map(({ frames }) => frames)];
  const folded = stacks.reduce((sum, frames) => sum + countFolded(groupFrames(frames)), 0);
  const picker = event.threads.some((one) => !one.has_event_stack);
  return (
    <EventSection
      name="stack"
      note={stacks.some(({ length }) => length > 0) ? t('issues.stackWhy') : undefined}
      actions={
        <>
          {picker && <ThreadPicker threads={event.threads} chosen={thread} onChoose={setThread} cut={event.threads_cut} />}
          {folded > 0 && (
            <button type="button" className="button" onClick={() => setAll(!all)}>
              {all ? t('issues.foldLibrary') : t('issues.unfoldLibrary', { n: folded })}
            </button>
          )}
        </>
      }
    >
      {other ? <ThreadStack thread={other} all={all} /> : <EventStack event={event} all={all} />}
    </EventSection>
  );
}

function threadName({ id, name, state, crashed, current, frames, has_event_stack: own }: ProgramThread, t: T): string {
  const marks = [crashed && t('issues.crashed'), current && !crashed && t('issues.current'), state].filter(Boolean);
  const count = own ? '' : ` (${t('issues.frames', { n: frames.length })})`;
  return [name ?? t('issues.threadOf', { id: id ?? '?' }), ...marks].join(' · ') + count;
}

interface ThreadPickerProps {
  threads: ProgramThread[];
  chosen: number | null;
  onChoose: (thread: number | null) => void;
  cut: number;
}

function ThreadPicker({ threads, chosen, onChoose, cut }: ThreadPickerProps) {
  const t = useT();
  const own = threads.find(({ has_event_stack: has }) => has);
  return (
    <label className="issues-thread">
      <span className="text-dim">{t('issues.thread')}</span>
      <select
        className="field"
        value={chosen ?? ''}
        onChange={({ target }) => onChoose(target.value === '' ? null : Number(target.value))}
      >
        <option value="">{own ? threadName(own, t) : t('issues.eventStack')}</option>
        {threads.map((thread, at) =>
          thread === own ? null : (
            <option key={at} value={at}>
              {threadName(thread, t)}
            </option>
          ),
        )}
        {cut > 0 && <option disabled>{t('issues.threadsCut', { n: cut })}</option>}
      </select>
    </label>
  );
}

function ThreadStack({ thread, all }: { thread: ProgramThread; all: boolean }) {
  const t = useT();
  if (thread.frames.length === 0) return <p className="text-dim">{t('issues.noThreadStack')}</p>;
  return <FrameList key={thread.id} frames={thread.frames} cut={thread.frames_cut} lead all={all} />;
}

function EventStack({ event, all }: { event: IssueEvent; all: boolean }) {
  const t = useT();
  const { exceptions } = event;
  const last = exceptions.length - 1;
  // The stack may be that of a thread or of the event itself.
  const separate = !exceptions.some(({ frames }) => frames.length > 0);
  return (
    <>
      {exceptions.length === 0 && <FrameList frames={event.frames} cut={event.frames_cut} lead all={all} />}
      {exceptions
        .map((exception, at) => {
          const frames = separate && at === last ? event.frames : exception.frames;
          const cut = separate && at === last ? event.frames_cut : exception.frames_cut;
          const open = exceptions.length <= MAX_OPEN_EXCEPTIONS || at === last || at === 0;
          return <ExceptionStack key={at} chain={exceptions} at={at} exception={{ ...exception, frames, frames_cut: cut }} open={open} all={all} />;
        })
        .toReversed()}
      {event.exceptions_cut > 0 && <p className="text-dim">{t('issues.exceptionsCut', { n: event.exceptions_cut })}</p>}
      {event.frames.length === 0 && separate && <p className="text-dim">{t('issues.noStack')}</p>}
    </>
  );
}

interface ExceptionStackProps {
  chain: ErrorException[];
  at: number;
  exception: ErrorException;
  open: boolean;
  all: boolean;
}

function ExceptionStack({ chain, at, exception, open: atFirst, all }: ExceptionStackProps) {
  const t = useT();
  const [open, setOpen] = useState(atFirst);
  const relation = exceptionRelation(chain, at);
  const { type, value, module, mechanism, frames } = exception;
  return (
    <article className="issues-exception">
      <header>
        {relation.kind !== 'raised' && <span className="issues-relation">{relationTitle(relation, t)}</span>}
        {relation.kind === 'member' && relation.place && <code className="text-dim">{relation.place}</code>}
        <h3 className={relation.kind === 'raised' ? 'text-error' : undefined}>{type}</h3>
        {module && <code className="text-dim ellipsis">{module}</code>}
        {mechanism && <MechanismChips mechanism={mechanism} />}
      </header>
      {value && (
        <div className="issues-message line-clamp">
          <UserText text={value} />
        </div>
      )}
      {mechanism && <MechanismDetails mechanism={mechanism} />}
      {frames.length > 0 && !open && (
        <button type="button" className="action-link text-small" onClick={() => setOpen(true)}>
          {t('issues.showFrames', { n: frames.length })}
        </button>
      )}
      {open && <FrameList frames={frames} cut={exception.frames_cut} lead={relation.kind === 'raised' || at === 0} all={all} />}
    </article>
  );
}

function MechanismChips({ mechanism: { type, handled, synthetic } }: { mechanism: ExceptionMechanism }) {
  const t = useT();
  return (
    <>
      {handled !== null && (
        <Chip tone={handled ? undefined : 'bad'}>
          {!handled && <Icon name="issues" size="tiny" />}
          {t(handled ? 'issues.handled' : 'issues.unhandled')}
        </Chip>
      )}
      {type && (
        <Chip tone="outline" title={t('issues.mechanismWhy')}>
          {type}
        </Chip>
      )}
      {synthetic && (
        <Chip tone="outline" title={t('issues.syntheticWhy')}>
          {t('issues.synthetic')}
        </Chip>
      )}
    </>
  );
}

const isWebAddress = (text: string) => /^https?:\/\//i.test(text);

function MechanismDetails({ mechanism: { description, help_link: link, data, meta } }: { mechanism: ExceptionMechanism }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  const entries = [...Object.entries(meta), ...Object.entries(data)];
  return (
    <>
      {(description || link) && (
        <p className="text-medium text-small">
          {description && <UserText text={description} />}{' '}
          {link &&
            (isWebAddress(link) ? (
              <a className="text-link" href={link} target="_blank" rel="noopener noreferrer nofollow">
                {link}
              </a>
            ) : (
              <code>{link}</code>
            ))}
        </p>
      )}
      {entries.length > 0 && (
        <div className="issues-folded-value">
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            <Icon name={open ? 'down' : 'right'} size="tiny" />
            {t('issues.mechanismData', { n: entries.length })}
          </button>
          {open && <StructuredTable entries={entries} />}
        </div>
      )}
    </>
  );
}
