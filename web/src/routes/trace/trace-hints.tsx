import { useT } from '../../i18n';
import { HintList, HintText } from '../../components/hints';
import { Icon } from '../../components/icons';
import { useTraceView } from './context';

/** What keeps the figures of this trace from being whole, where its clients could change that. */
export function TraceHints() {
  const t = useT();
  const { project, data } = useTraceView();
  const hints = data.hints ?? [];
  const first = hints[0];
  if (!first) return null;
  return (
    <details className="hints-box">
      <summary>
        <Icon name="issues" size="small" /> <b>{t('hints.title')}:</b> <HintText hint={first} />
        {hints.length > 1 && ` +${hints.length - 1}`}
      </summary>
      <HintList hints={hints} project={project} />
    </details>
  );
}
