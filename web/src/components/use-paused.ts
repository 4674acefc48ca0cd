import { useEffect, useState } from 'react';

/** A text once it has not changed for so many milliseconds. */
export function usePaused(text: string, ms: number): string {
  const [paused, setPaused] = useState(text);
  useEffect(() => {
    const timer = window.setTimeout(() => setPaused(text), ms);
    return () => window.clearTimeout(timer);
  }, [text, ms]);
  return paused;
}
