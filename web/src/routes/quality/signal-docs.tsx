import text from '../../../../docs/signals.md?raw';
import Markdown from '../../components/text/markdown';

/** The description of all signals from the project's documentation. */
export default function SignalDocs() {
  return (
    <div className="help-text" lang="en">
      <Markdown text={text.replace(/^# .*\n+/, '')} />
    </div>
  );
}
