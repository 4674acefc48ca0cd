import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useState, useSyncExternalStore, type RefObject } from 'react';

/** How far below the top of the page an element stands, also after what is above it has grown. */
export function useListTop(ref: RefObject<HTMLElement | null>): number {
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const measure = () => {
      const box = ref.current?.getBoundingClientRect();
      if (box) setTop(Math.round(box.top + window.scrollY));
    };
    measure();
    if (typeof ResizeObserver === 'undefined') return;
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, [ref]);
  return top;
}

interface VirtualRowsOptions {
  count: number;
  height: number;
  list: RefObject<HTMLElement | null>;
  /** What stays in place above the rows while the page scrolls: the bar and the head of the list. */
  covered: number;
  /** And below them: the tabs of a phone. */
  coveredBelow?: number;
}

/** Rows of one height that scroll with the page; only those in sight exist. */
export function useVirtualRows({ count, height, list, covered, coveredBelow = 0 }: VirtualRowsOptions) {
  const top = useListTop(list);
  // oxlint-disable-next-line react/incompatible-library -- its functions stay in this hook
  const virtual = useWindowVirtualizer({
    count,
    estimateSize: () => height,
    overscan: 12,
    scrollMargin: top,
  });
  useEffect(() => virtual.measure(), [virtual, height]);
  /** Brings a row into sight; one that is in sight already stays where it is. */
  const reveal = (at: number, align: 'near' | 'middle' = 'near') => {
    const box = list.current?.getBoundingClientRect();
    if (!box) return;
    const y = box.top + at * height;
    const floor = window.innerHeight - coveredBelow - height;
    if (y >= covered && y <= floor) return;
    const goal = align === 'middle' ? (covered + floor) / 2 : y < covered ? covered : floor;
    window.scrollBy({ top: y - goal, behavior: 'instant' });
  };
  return { items: virtual.getVirtualItems(), total: count * height, top, reveal };
}

/** Whether a media query holds; follows the window. */
export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    () => window.matchMedia(query).matches,
  );
}

/** As wide as a phone. */
export const useIsPhone = () => useMediaQuery('(max-width: 640px)');
