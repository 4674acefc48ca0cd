import { useRef, useState } from 'react';
import type { Breadcrumb, IssueEvent } from '../../api/types';
import { Icon } from '../../components/icons';
import { Chip, UserText } from '../../components/values';
import { MINUS, plain, type Format } from '../../format';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { breadcrumbAxis, type BreadcrumbAxis } from './breadcrumb-axis';
import { breadcrumbData, breadcrumbText, isBad } from './breadcrumb-text';
import { ageText } from './event-markdown';
import { EventSection } from './event-section';
import { StructuredTable } from './structured-value';

/** Breadcrumbs that are shown before the rest is asked for. */
const MAX_SHOWN = 20;

const timeOf = ({ timestamp }: Breadcrumb) => (timestamp === null ? null : Date.parse(timestamp));

/** What the SDK recorded before the error, the newest first. */
export function BreadcrumbsSection({ event }: { event: IssueEvent }) {
  const t = useT();
  const [all, setAll] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  const { breadcrumbs: crumbs, breadcrumbs_cut: cut } = event;
  const axis = breadcrumbAxis(crumbs.map(timeOf), Date.parse(event.time));
  const rows = crumbs.map((crumb, at) => ({ crumb, at })).toReversed();
  const shown = all ? rows : rows.slice(0, MAX_SHOWN);
  const show = (at: number) => {
    if (crumbs.length - at > MAX_SHOWN) setAll(true);
    // The row may exist only after this.
    requestAnimationFrame(() => {
      const row = list.current?.querySelector<HTMLElement>(`[data-breadcrumb="${at}"]`);
      row?.scrollIntoView({ block: 'center' });
      row?.focus({ preventScroll: true });
    });
  };
  return (
    <EventSection name="breadcrumbs" note={t(axis?.logarithmic ? 'issues.breadcrumbsLogarithmic' : 'issues.breadcrumbsWhy')}>
      {axis && <AxisStrip crumbs={crumbs} axis={axis} onChoose={show} />}
      <ol className="issues-breadcrumbs" ref={list}>
        <li className="issues-breadcrumb is-event">
          <div className="issues-breadcrumb-row">
            <span className="issues-breadcrumb-time">0</span>
            <i className={`issues-breadcrumb-dot ${toneOf(event)}`} />
            <span className="issues-breadcrumb-category">{t('issues.thisEvent')}</span>
            <span className="issues-breadcrumb-text ellipsis">
              <b>{event.title ?? event.type}</b> <UserText text={event.value} />
            </span>
          </div>
        </li>
        {shown.map(({ crumb, at }) => (
          <BreadcrumbRow key={at} at={at} crumb={crumb} time={event.time} />
        ))}
      </ol>
      {shown.length < rows.length && (
        <button type="button" className="action-link text-small" onClick={() => setAll(true)}>
          {t('issues.showAll', { n: rows.length })}
        </button>
      )}
      {cut > 0 && <p className="text-dim text-small">{t('issues.breadcrumbsCut', { n: cut })}</p>}
    </EventSection>
  );
}

function toneOf(crumb: Pick<Breadcrumb, 'level'>): 'is-bad' | 'is-warning' | '' {
  if (isBad(crumb)) return 'is-bad';
  return crumb.level === 'warning' ? 'is-warning' : '';
}

function BreadcrumbRow({ crumb, at, time }: { crumb: Breadcrumb; at: number; time: string }) {
  const t = useT();
  const { format } = useLocale();
  const [open, setOpen] = useState(false);
  const own = timeOf(crumb);
  const data = breadcrumbData(crumb);
  const text = breadcrumbText(crumb);
  const tone = toneOf(crumb);
  const type = crumb.type === 'default' ? null : crumb.type;
  const category = crumb.category ?? type;
  return (
    <li className="issues-breadcrumb">
      <button
        type="button"
        className="issues-breadcrumb-row"
        data-breadcrumb={at}
        data-testid="breadcrumb"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <span className="issues-breadcrumb-time" title={own === null ? undefined : format.exact(own)}>
          {own === null ? '' : ageText(Date.parse(time) - own, format)}
        </span>
        <i className={`issues-breadcrumb-dot ${tone}`} />
        <span className="issues-breadcrumb-category ellipsis" title={category ?? undefined}>
          {category}
        </span>
        {open ? (
          <span className="issues-breadcrumb-text issues-text">
            <UserText text={text} />
          </span>
        ) : (
          <UserText className="issues-breadcrumb-text ellipsis" text={text} />
        )}
        {crumb.level && tone !== '' && <Chip tone={tone === 'is-bad' ? 'bad' : 'warning'}>{crumb.level}</Chip>}
        {crumb.level && tone === '' && <span className="issues-breadcrumb-level text-dim">{crumb.level}</span>}
        <Icon name={open ? 'down' : 'right'} size="tiny" className={data ? '' : 'is-empty'} />
      </button>
      {open && (
        <div className="issues-breadcrumb-body">
          <p className="text-dim text-small">
            {[own === null ? t('issues.noTime') : format.exact(own), crumb.type, crumb.level].filter(Boolean).join(' · ')}
          </p>
          {data && <StructuredTable entries={Object.entries(data)} />}
          {!data && crumb.data && <code className="issues-text line-clamp">{crumb.data}</code>}
        </div>
      )}
    </li>
  );
}

const nameOf = (crumb: Breadcrumb) => [crumb.category, breadcrumbText(crumb).slice(0, 200)].filter(Boolean).join(' · ');

/** A tick is a round number: `−10 s`, and `−1 h` without minutes behind it. */
function tickText(ms: number, format: Format): string {
  if (ms < 1000) return `${MINUS}${format.count(ms)} ms`;
  if (ms < 60_000) return `${MINUS}${format.count(ms / 1000)} s`;
  return MINUS + plain(format.duration(ms).filter(({ n }, at) => at === 0 || n !== '0'));
}

interface AxisStripProps {
  crumbs: Breadcrumb[];
  axis: BreadcrumbAxis;
  onChoose: (at: number) => void;
}

/** All breadcrumbs on one line of time that ends at the event. A click leads to the row; the keyboard uses the rows themselves. */
function AxisStrip({ crumbs, axis, onChoose }: AxisStripProps) {
  const t = useT();
  const { format } = useLocale();
  return (
    <div className="issues-axis" aria-hidden="true">
      <div className="issues-axis-line">
        {axis.ticks.map(({ ageMs, place }) => (
          <i key={ageMs} className="issues-axis-tick" style={{ left: `${place * 100}%` }} />
        ))}
        {axis.marks.map(({ at, place }) => {
          const crumb = crumbs[at]!;
          return (
            <button
              key={at}
              type="button"
              tabIndex={-1}
              className={`issues-axis-mark ${toneOf(crumb)}`}
              style={{ left: `${place * 100}%` }}
              title={nameOf(crumb)}
              aria-label={nameOf(crumb)}
              onClick={() => onChoose(at)}
            />
          );
        })}
        <i className="issues-axis-event" />
      </div>
      <div className="issues-axis-labels">
        {axis.ticks.map(({ ageMs, place }) => (
          <span key={ageMs} style={{ left: `${place * 100}%` }}>
            {tickText(ageMs, format)}
          </span>
        ))}
        <span className="issues-axis-end">{t('issues.thisEvent')}</span>
      </div>
    </div>
  );
}
