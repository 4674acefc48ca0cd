import { createContext, useContext, type ReactNode } from 'react';
import { createPortal } from 'react-dom';

interface TopBarSlots {
  left: HTMLElement | null;
  right: HTMLElement | null;
}

export const TopBarContext = createContext<TopBarSlots>({ left: null, right: null });

/** Puts a page's own things into the bar: crumbs behind the project at the left, buttons before the menus at the right. */
export function TopBarSlot({ side, children }: { side: 'left' | 'right'; children: ReactNode }) {
  const target = useContext(TopBarContext)[side];
  return target && createPortal(children, target);
}
