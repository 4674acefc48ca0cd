import { useCallback, useLayoutEffect, useRef } from 'react';

/** A handler that stays the same function, so that what it is given to need not be drawn anew, and runs as the latest. */
export function useEvent<Args extends unknown[], Result>(handler: (...args: Args) => Result): (...args: Args) => Result {
  const latest = useRef(handler);
  useLayoutEffect(() => {
    latest.current = handler;
  });
  return useCallback((...args: Args) => latest.current(...args), []);
}
