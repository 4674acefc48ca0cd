import Markdown, { type Components } from 'react-markdown';
import gfm from 'remark-gfm';
import { Icon } from '../icons';

/** What was written is never asked for: a picture stands as its address, and a link says where it leads. */
const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href ? (
      <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow" className="text-link">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  img: ({ alt, src }) => (
    <span className="message-media" title={typeof src === 'string' ? src : undefined}>
      <Icon name="open" size="small" />
      {alt || (typeof src === 'string' ? src : '')}
    </span>
  ),
  table: ({ children }) => (
    <div className="message-table-scroll">
      <table className="data-table">{children}</table>
    </div>
  ),
  input: ({ checked }) => <span aria-hidden="true">{checked ? '☑' : '☐'} </span>,
};

interface MarkNode {
  type: string;
  value?: string;
  children?: MarkNode[];
}

/** HTML stands as the text that it is, in a paragraph of its own where it stood alone. */
function htmlAsText() {
  const inline = new Set(['paragraph', 'heading', 'emphasis', 'strong', 'delete', 'link', 'tableCell']);
  const walk = (node: MarkNode) => {
    node.children = node.children?.map((child) => {
      if (child.type !== 'html') {
        walk(child);
        return child;
      }
      const text: MarkNode = { type: 'text', value: child.value ?? '' };
      return inline.has(node.type) ? text : { type: 'paragraph', children: [text] };
    });
  };
  return walk;
}

const safeUrl = (url: string) => (/^(https?:|mailto:|#)/i.test(url) ? url : '');

const PLUGINS = [gfm, htmlAsText];

/** Markdown; HTML within it stands as the text that it is. */
export default function RenderedMarkdown({ text }: { text: string }) {
  return (
    <Markdown remarkPlugins={PLUGINS} components={COMPONENTS} urlTransform={safeUrl}>
      {text}
    </Markdown>
  );
}
