import type { ReactNode } from 'react';
import { useT, type TextKey } from '../../i18n';

/** Sections of an event, in the order of the page. */
export const EVENT_SECTIONS = [
  'stack',
  'call',
  'breadcrumbs',
  'request',
  'user',
  'tags',
  'contexts',
  'extra',
  'modules',
  'attachments',
  'properties',
] as const;

export type EventSectionName = (typeof EVENT_SECTIONS)[number];

export const SECTION_TITLES: Record<EventSectionName, TextKey> = {
  stack: 'issues.stack',
  call: 'issues.call',
  breadcrumbs: 'issues.breadcrumbs',
  request: 'issues.request',
  user: 'issues.user',
  tags: 'issues.tags',
  contexts: 'issues.contexts',
  extra: 'issues.extra',
  modules: 'issues.modules',
  attachments: 'issues.attachments',
  properties: 'issues.properties',
};

const elementId = (name: EventSectionName) => `event-${name}`;

interface EventSectionProps {
  name: EventSectionName;
  note?: ReactNode;
  /** What can be done with the section as a whole. */
  actions?: ReactNode;
  children: ReactNode;
}

export function EventSection({ name, note, actions, children }: EventSectionProps) {
  const t = useT();
  return (
    <section className="issues-section" id={elementId(name)} tabIndex={-1} aria-labelledby={`${elementId(name)}-title`}>
      <div className="section-head">
        <h2 id={`${elementId(name)}-title`}>{t(SECTION_TITLES[name])}</h2>
        {note !== undefined && <span className="section-note">{note}</span>}
        {actions && <span className="spacer" />}
        {actions}
      </div>
      {children}
    </section>
  );
}

export interface SectionLink {
  name: EventSectionName;
  /** Number of things in the section; null where it has no use. */
  count: number | null;
}

/** Leads to the sections that the event has. */
export function SectionNav({ links }: { links: SectionLink[] }) {
  const t = useT();
  const jump = (name: EventSectionName) => {
    const section = document.getElementById(elementId(name));
    section?.scrollIntoView({ block: 'start' });
    section?.focus({ preventScroll: true });
  };
  return (
    <nav className="issues-jump" aria-label={t('issues.sections')}>
      {links.map(({ name, count }) => (
        <button key={name} type="button" onClick={() => jump(name)}>
          {t(SECTION_TITLES[name])}
          {count !== null && <em>{count}</em>}
        </button>
      ))}
    </nav>
  );
}
