import Markdown, { type Components } from 'react-markdown';
import gfm from 'remark-gfm';
import { Icon } from '../icons';

/** What was written is never asked for: a picture stands as its address, and a link says where it leads. */
const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href ? (
      <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow" className="ulink">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  img: ({ alt, src }) => (
    <span className="media" title={typeof src === 'string' ? src : undefined}>
      <Icon name="open" size="s" />
      {alt || (typeof src === 'string' ? src : '')}
    </span>
  ),
  table: ({ children }) => (
    <div className="mtab">
      <table className="tbl">{children}</table>
    </div>
  ),
  input: ({ checked }) => <span aria-hidden="true">{checked ? '☑' : '☐'} </span>,
};

const safe = (url: string) => (/^(https?:|mailto:|#)/i.test(url) ? url : '');

/** Markdown; HTML within it stands as the text that it is. */
export default function Rendered({ text }: { text: string }) {
  return (
    <Markdown remarkPlugins={[gfm]} components={COMPONENTS} urlTransform={safe}>
      {text}
    </Markdown>
  );
}
