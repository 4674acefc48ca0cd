import { Fragment } from 'react';

/** A text of the tables whose `words in backticks` stand as code. */
export function InlineCodeText({ text }: { text: string }) {
  return text.split('`').map((piece, at) => (
    // Pieces have no identity but their place; every second one stood between backticks.
    <Fragment key={at}>{at % 2 === 1 ? <code>{piece}</code> : piece}</Fragment>
  ));
}
