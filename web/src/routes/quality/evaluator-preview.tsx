import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { evaluatorPreviewQuery } from '../../api/evaluators';
import type { EvaluatorDraft, EvaluatorPreviewResult } from '../../api/types';
import { PermittedOrReason } from '../../components/permission';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Chip, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { outcomeText } from './evaluator-outcomes';

/** While somebody types, what was asked last stays. */
const PAUSE_MS = 600;

/** The draft as it was when nobody had typed for a moment. The name and whether it runs change no result. */
function useDebounced(draft: EvaluatorDraft | null): EvaluatorDraft | null {
  const asked = draft && JSON.stringify({ ...draft, name: 'preview', enabled: true });
  const [debounced, setDebounced] = useState(asked);
  useEffect(() => {
    const pause = window.setTimeout(() => setDebounced(asked), PAUSE_MS);
    return () => window.clearTimeout(pause);
  }, [asked]);
  return useMemo(() => (debounced === null ? null : (JSON.parse(debounced) as EvaluatorDraft)), [debounced]);
}

/** What an evaluator would select in the range of the page, and what it says of the newest targets. */
export function EvaluatorPreview({ project, draft }: { project: number; draft: EvaluatorDraft | null }) {
  const t = useT();
  const asked = useDebounced(draft);
  return (
    <section className="pane" aria-label={t('evaluators.preview')}>
      <div className="section-head">
        <h2>{t('evaluators.preview')}</h2>
      </div>
      <PermittedOrReason operation="post /api/v1/projects/{project}/evaluators/preview" project={project}>
        {asked ? <PreviewOf project={project} draft={asked} /> : <p className="text-dim">{t('evaluators.previewNeeds')}</p>}
      </PermittedOrReason>
    </section>
  );
}

function PreviewOf({ project, draft }: { project: number; draft: EvaluatorDraft }) {
  const t = useT();
  const { format } = useLocale();
  const range = useRange();
  const { data, error, isPlaceholderData, refetch } = useQuery(evaluatorPreviewQuery(project, draft, range.span));
  if (error) return <ErrorMessage error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton rows={4} height={44} />;
  return (
    <div className={isPlaceholderData ? 'is-stale' : undefined}>
      <p role="status">
        {data.of === 0 ? t('evaluators.nothingSelected') : t('evaluators.ofSelected', { n: format.count(data.selected), of: format.count(data.of) })}
      </p>
      <ul className="quality-results">
        {data.results.map((result) => (
          <li key={`${result.target.trace_id} ${result.target.span_id} ${result.target.session_id}`}>
            <Result project={project} result={result} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Result({ project, result }: { project: number; result: EvaluatorPreviewResult }) {
  const t = useT();
  const { trace_id: trace, span_id: span, session_id: session } = result.target;
  const name = span ?? trace ?? session ?? '';
  return (
    <>
      <Verdict result={result} />{' '}
      {trace === null ? (
        <UserText text={name} />
      ) : (
        <Link to="/p/$project/traces/$trace" params={{ project: String(project), trace }} search={(was) => ({ ...was, span: span ?? undefined })}>
          <code>{name.slice(0, 12)}</code>
        </Link>
      )}
      <p className="text-dim">{result.outcome === 'scored' ? result.explanation : outcomeText(t, result.outcome)}</p>
      {result.evidence.length > 0 && (
        <ul className="quality-evidence">
          {result.evidence.map((text, at) => (
            <li key={`${at} ${text}`}>
              <UserText text={text} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Yes, no, a number or a category; a dash without a score. */
function Verdict({ result: { outcome, value, label, data_type: type } }: { result: EvaluatorPreviewResult }) {
  const t = useT();
  const { format } = useLocale();
  if (outcome !== 'scored') return <Chip tone="outline">–</Chip>;
  if (label !== null) return <Chip>{label}</Chip>;
  if (value === null) return null;
  if (type === 'numeric') return <Chip>{format.threeDigits(value)}</Chip>;
  return <Chip tone={value === 1 ? undefined : 'bad'}>{t(value === 1 ? 'score.yes' : 'score.no')}</Chip>;
}
