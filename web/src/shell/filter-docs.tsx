import en from '../../../docs/filters.md?raw';
import ja from '../../../docs/filters.ja.md?raw';
import Markdown from '../components/text/markdown';
import { usePrefs } from '../prefs';

const TEXTS = { en, ja };

/** The title, and the link to the other language, which the page chooses. */
const HEAD = /^# .*\n+(?:\[.*\]\(filters.*\)\n)?/;

/** The description of the filter language from the project's documentation, in the reader's language. */
export default function FilterDocs() {
  const { lang } = usePrefs();
  return <Markdown text={TEXTS[lang].replace(HEAD, '')} />;
}
