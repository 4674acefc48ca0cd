import type { TraceSummary } from '../../api/types';
import { CopyIconButton } from '../../components/states';
import { useT } from '../../i18n';

interface HeadFactsProps {
  trace: TraceSummary;
  /** What is known of the trace; what is not is left out. */
  facts: (string | false | null | undefined)[];
}

/** Facts below the name of a trace, and its ID to copy. */
export function HeadFacts({ trace, facts }: HeadFactsProps) {
  const t = useT();
  return (
    <>
      {facts.map(
        (fact, at) =>
          fact && (
            <span key={at} className="ellipsis" title={fact}>
              {fact}
            </span>
          ),
      )}
      <span className="trace-copy-id">
        <code title={trace.trace_id}>
          {trace.trace_id.slice(0, 8)}…{trace.trace_id.slice(-4)}
        </code>
        <CopyIconButton text={trace.trace_id} label={t('trace.copyId')} />
      </span>
    </>
  );
}
