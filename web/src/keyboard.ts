import { useEffect, useRef, useState, type RefObject } from 'react';

/** A key belongs to the page only when no field, menu or dialog has it. */
function isForOtherControl(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target as HTMLElement | null;
  if (!target?.closest) return false;
  return target.closest('input,textarea,select,[contenteditable=true],[role=menu],dialog,[data-radix-popper-content-wrapper]') !== null;
}

type KeyHandlers = Record<string, (event: KeyboardEvent) => void>;

/** Single keys of a page: `{ j: next, '?': help }`. The latest handlers are the ones that run. */
export function useKeyboardShortcuts(handlers: KeyHandlers) {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (isForOtherControl(event)) return;
      const handler = latest.current[event.key];
      if (!handler) return;
      event.preventDefault();
      handler(event);
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

interface RowNavigation<Body extends HTMLElement> {
  cursor: number | null;
  setCursor: (at: number | null) => void;
  bodyRef: RefObject<Body | null>;
}

/** `j` and `k` move a cursor through rows, Enter opens; null leaves the keys alone. */
export function useRowNavigation<Body extends HTMLElement>(length: number, onOpen: ((at: number) => void) | null): RowNavigation<Body> {
  const [cursor, setCursor] = useState<number | null>(null);
  const bodyRef = useRef<Body>(null);
  const move = (step: number) => {
    const next = Math.max(0, Math.min(length - 1, cursor === null ? (step > 0 ? 0 : length - 1) : cursor + step));
    setCursor(next);
    bodyRef.current?.children[next]?.scrollIntoView({ block: 'nearest' });
  };
  const handlers: KeyHandlers = {};
  if (onOpen && length > 0) {
    handlers.j = () => move(1);
    handlers.k = () => move(-1);
    if (cursor !== null) {
      // A focused link or button keeps its own Enter.
      handlers.Enter = (event) => {
        const target = event.target as HTMLElement;
        const control = target.closest<HTMLElement>('a,button');
        if (control) control.click();
        else onOpen(cursor);
      };
    }
  }
  useKeyboardShortcuts(handlers);
  return { cursor: cursor !== null && cursor < length ? cursor : null, setCursor, bodyRef };
}
