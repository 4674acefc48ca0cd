import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, type RefObject } from 'react';
import type { ListedLogLine } from '../../api/types';
import { useEvent } from '../../components/use-event';
import { useIsPhone, useListTop } from '../../components/virtual-rows';

const ROW_HEIGHT = 30;
const CARD_HEIGHT = 56;
/** About as high as what an open line shows; each is measured once it is shown. */
const DETAIL_HEIGHT = 260;
/** The bar and the head of the list stay in sight. */
const COVERED_HEIGHT = 44 + 26;
const TAB_BAR_HEIGHT = 54;

interface LineRowsOptions {
  lines: readonly ListedLogLine[];
  opened: ReadonlySet<string>;
  /** The place of the line that the address names; negative if it is not in the list. */
  linkedIndex: number;
  rowsRef: RefObject<HTMLOListElement | null>;
}

/** Rows that scroll with the page; only those in sight exist. Open lines have the height of what they show. */
export function useLineRows({ lines, opened, linkedIndex, rowsRef }: LineRowsOptions) {
  const isPhone = useIsPhone();
  const top = useListTop(rowsRef);
  const height = isPhone ? CARD_HEIGHT : ROW_HEIGHT;
  // oxlint-disable-next-line react/incompatible-library -- its functions stay in this hook and its rows
  const virtual = useWindowVirtualizer({
    count: lines.length,
    estimateSize: (at) => height + (opened.has(lines[at]?.log_id ?? '') ? DETAIL_HEIGHT : 0),
    getItemKey: (at) => lines[at]?.log_id ?? at,
    overscan: 12,
    scrollMargin: top,
  });
  useEffect(() => virtual.measure(), [virtual, height]);
  const items = virtual.getVirtualItems();

  /** Brings the first line of a row into sight. */
  const reveal = useEvent((at: number) => {
    const box = rowsRef.current?.querySelector(`[data-index="${at}"]`)?.getBoundingClientRect();
    if (!box) {
      virtual.scrollToIndex(at, { align: 'center' });
      return;
    }
    const floor = window.innerHeight - (isPhone ? TAB_BAR_HEIGHT : 0) - height;
    if (box.top < COVERED_HEIGHT) window.scrollBy({ top: box.top - COVERED_HEIGHT, behavior: 'instant' });
    else if (box.top > floor) window.scrollBy({ top: box.top - floor, behavior: 'instant' });
  });
  // The linked line is brought into sight once, when it is there.
  const isLinkShown = useRef(false);
  useEffect(() => {
    if (isLinkShown.current || linkedIndex < 0) return;
    isLinkShown.current = true;
    reveal(linkedIndex);
  }, [linkedIndex, reveal]);

  return {
    items,
    top,
    total: virtual.getTotalSize(),
    measure: virtual.measureElement,
    reveal,
    firstInSight: () => items.find(({ end }) => end > window.scrollY + COVERED_HEIGHT)?.index ?? 0,
  };
}
