import text from '../../../docs/filters.md?raw';
import Markdown from '../parts/text/markdown';

/** The description of the filter language, as it stands in the project's documentation. */
export default function FilterDocs() {
  return <Markdown text={text.replace(/^# .*\n/, '')} />;
}
