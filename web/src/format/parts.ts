/** A value in pieces: figures in ink, units smaller and paler beside them. */
export interface Piece {
  n: string;
  u?: string;
}
export type Pieces = Piece[];

/** The same as plain text, for titles and for readers that hear the page. */
export function plain(pieces: Pieces): string {
  return pieces.map(({ n, u }) => (u ? `${n} ${u}` : n)).join(' ');
}

export const MINUS = '\u2212';
