import type { AuditEntry } from '../../api/types';

/** A field that an action changed. */
export interface FieldChange {
  field: string;
  before: unknown;
  after: unknown;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Fields that an action changed, with their values; empty if the entry does not have them. */
export function changesOf({ details }: Pick<AuditEntry, 'details'>): FieldChange[] {
  const { changes } = details;
  if (!isObject(changes)) return [];
  return Object.entries(changes).flatMap(([field, change]) =>
    isObject(change) && ('before' in change || 'after' in change) ? [{ field, before: change.before ?? null, after: change.after ?? null }] : [],
  );
}

/** Details other than the changes that `changesOf` returns. */
export function otherDetails(entry: Pick<AuditEntry, 'details'>): [string, unknown][] {
  const isRead = changesOf(entry).length > 0;
  return Object.entries(entry.details).filter(([name]) => name !== 'changes' || !isRead);
}

/** A value of a detail as text. */
export const detailText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Sequence numbers that are missing between entries, as inclusive ranges; `entries` are the newest first and not filtered. */
export function missingRanges(entries: readonly Pick<AuditEntry, 'sequence'>[]): [number, number][] {
  return entries.flatMap(({ sequence }, at): [number, number][] => {
    const newer = entries[at - 1];
    return newer && newer.sequence - sequence > 1 ? [[sequence + 1, newer.sequence - 1]] : [];
  });
}
