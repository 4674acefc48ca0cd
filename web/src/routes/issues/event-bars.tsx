/** The course of a count in little bars: for events, which are few, a line would invent what lies between. */
export function EventBars({ values }: { values: number[] }) {
  const max = Math.max(1, ...values);
  const path = values
    .map((value, at) => (value > 0 ? `M${at + 0.1} 20h.8v${(-Math.max(1.5, (value / max) * 19)).toFixed(1)}h-.8z` : ''))
    .join('');
  return (
    <svg className="issues-bars" viewBox={`0 0 ${Math.max(1, values.length)} 20`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 20h${values.length}`} className="issues-bars-baseline" />
      <path d={path} />
    </svg>
  );
}
