import { useState } from 'react';
import type { ListedLogLine } from '../../api/types';
import { useKeyboardShortcuts } from '../../keyboard';

interface LineCursorOptions {
  lines: readonly ListedLogLine[];
  /** The line that the address names: the cursor begins there. */
  linked: string | undefined;
  opened: ReadonlySet<string>;
  /** Where the cursor begins if no line is linked. */
  firstInSight: () => number;
  reveal: (at: number) => void;
  onToggle: (line: ListedLogLine) => void;
}

/** The cursor of the list: `j` and `k` move it, Enter opens and closes its line, Escape closes the line, then leaves the list. */
export function useLineCursor({ lines, linked, opened, firstInSight, reveal, onToggle }: LineCursorOptions) {
  const [cursorId, setCursorId] = useState<string | null>(linked ?? null);
  const cursor = cursorId === null ? -1 : lines.findIndex(({ log_id: id }) => id === cursorId);
  const move = (step: number) => {
    const next = Math.max(0, Math.min(lines.length - 1, cursor < 0 ? firstInSight() : cursor + step));
    const line = lines[next];
    if (!line) return;
    setCursorId(line.log_id);
    reveal(next);
  };
  const current = lines[cursor];
  useKeyboardShortcuts({
    j: () => move(1),
    k: () => move(-1),
    ...(current && {
      Enter: (event: KeyboardEvent) => {
        const control = (event.target as HTMLElement).closest<HTMLElement>('a,button,summary');
        if (control) control.click();
        else onToggle(current);
      },
      Escape: () => (opened.has(current.log_id) ? onToggle(current) : setCursorId(null)),
    }),
  });
  return { cursorId, setCursorId };
}
