import type { ScoreSummary } from '../../api/types';

const quoted = (text: string) => (/^[\w.-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`);

/** The filter of the traces with a score. */
export const scoreFilter = ({ name }: Pick<ScoreSummary, 'name'>) => `${quoted(`score.${name}`)}:*`;
