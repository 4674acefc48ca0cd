import type { ReactNode } from 'react';

/** A label and what stands beside it. `false` and `null` are left out. */
export type Property = [label: string, value: ReactNode] | false | null;

/** A group of facts, or nothing where there is none. */
export function PropertyList({ title, lines }: { title?: string; lines: Property[] }) {
  const shown = lines.filter((line): line is [string, ReactNode] => Boolean(line));
  if (shown.length === 0) return null;
  return (
    <section className="trace-detail-group">
      {title && <h3>{title}</h3>}
      <dl className="property-list">
        {shown.map(([label, value]) => (
          <div key={label} className="trace-property">
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
