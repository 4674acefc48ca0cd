import type { ErrorException } from '../../api/types';

/** How an exception belongs to the one that the program raised last. */
export type ExceptionRelation =
  | { kind: 'raised' }
  | { kind: 'cause' }
  | { kind: 'context' }
  | { kind: 'member'; group: string; place: string | null };

/** Relation of the exception at an index of the chain, whose oldest cause is first. */
export function exceptionRelation(chain: ErrorException[], at: number): ExceptionRelation {
  if (at === chain.length - 1) return { kind: 'raised' };
  const { parent_id: parentId = null, source = null } = chain[at]?.mechanism ?? {};
  const parent = parentId === null ? undefined : chain.find(({ mechanism }) => mechanism?.exception_id === parentId);
  if (parent?.mechanism?.is_exception_group && source !== '__cause__' && source !== '__context__') {
    return { kind: 'member', group: parent.type, place: source };
  }
  return { kind: source === '__context__' ? 'context' : 'cause' };
}
