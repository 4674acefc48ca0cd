import type { T } from '../../i18n';
import type { ExceptionRelation } from './exception-relation';

/** Title of an exception below the one that was raised last. */
export function relationTitle(relation: ExceptionRelation, t: T): string {
  if (relation.kind === 'member') return t('issues.memberOf', { group: relation.group });
  if (relation.kind === 'context') return t('issues.whileHandling');
  return relation.kind === 'cause' ? t('issues.causes') : '';
}
