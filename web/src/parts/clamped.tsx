import { useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useT } from '../i18n';

/** Text of any length in so many lines; what does not fit is a click away. */
export function Clamped({ lines = 4, children }: { lines?: number; children: ReactNode }) {
  const t = useT();
  const box = useRef<HTMLSpanElement>(null);
  const [open, setOpen] = useState(false);
  const [cut, setCut] = useState(false);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || open) return;
    const measure = () => setCut(element.scrollHeight > element.clientHeight + 1);
    measure();
    if (typeof ResizeObserver === 'undefined') return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [open, children]);
  return (
    <span className="clamped">
      <span ref={box} className={open ? undefined : 'lines'} style={{ '--lines': lines }}>
        {children}
      </span>
      {(cut || open) && (
        <button type="button" className="act" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t('text.less') : t('text.whole')}
        </button>
      )}
    </span>
  );
}
