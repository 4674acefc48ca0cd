/** A value in pieces: figures in ink, units smaller and paler beside them. */
export interface Piece {
  n: string;
  u?: string;
}
export type Pieces = Piece[];

/** Units that are words of Japanese stand close to their number. */
const CLOSE = /^[\u3040-\u30ff\u4e00-\u9fff]/;

/** The same as plain text, for titles and for readers that hear the page. */
export function plain(pieces: Pieces): string {
  return pieces.map(({ n, u }, at) => `${at === 0 || CLOSE.test(pieces[at - 1]!.u ?? '') ? '' : ' '}${n}${!u || CLOSE.test(u) ? '' : ' '}${u ?? ''}`).join('');
}

export const MINUS = '\u2212';
