import type { ErrorEvent, LogLine } from '../../../api/types';
import { millis } from './tree';

/** An error event or a log line of a trace without spans. */
export type TraceMoment = { kind: 'error'; at: number; error: ErrorEvent } | { kind: 'line'; at: number; line: LogLine };

/** Errors and log lines in order of time; of those at the same time, the line comes first that may explain the error. */
export function momentsOf(errors: readonly ErrorEvent[], lines: readonly LogLine[]): TraceMoment[] {
  const moments: TraceMoment[] = [
    ...lines.map((line): TraceMoment => ({ kind: 'line', at: millis(line.time), line })),
    ...errors.map((error): TraceMoment => ({ kind: 'error', at: millis(error.time), error })),
  ];
  return moments.toSorted((a, b) => a.at - b.at);
}
