import 'react';

declare module 'react' {
  interface CSSProperties {
    /** The category colour of a swatch, bar or glyph. */
    '--c'?: string;
    /** Room at the right of a chart for its scale. */
    '--yr'?: string;
    /** After how many lines text is cut. */
    '--lines'?: number;
    /** Depth of a row in a tree. */
    '--d'?: number;
    /** Place of a cell on the card that a row is on a phone. */
    '--card-area'?: string;
    /** Columns of the list of traces, by its width. */
    [columns: `--traces-columns-${string}`]: string;
  }
}
