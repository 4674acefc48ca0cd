import { useT, type T, type TextKey } from '../../i18n';
import { useLocale } from '../../locale';

const OUTCOME_TEXTS: Record<string, TextKey> = {
  scored: 'evaluators.outcome.scored',
  too_large: 'evaluators.outcome.tooLarge',
  gone: 'evaluators.outcome.gone',
  no_answer: 'evaluators.outcome.noAnswer',
  no_input: 'evaluators.outcome.noInput',
  no_sources: 'evaluators.outcome.noSources',
  no_tool_calls: 'evaluators.outcome.noToolCalls',
  no_tool_definitions: 'evaluators.outcome.noToolDefinitions',
  unknown_language: 'evaluators.outcome.unknownLanguage',
  text_too_short: 'evaluators.outcome.textTooShort',
  text_cut: 'evaluators.outcome.textCut',
  no_duration: 'evaluators.outcome.noDuration',
  no_cost: 'evaluators.outcome.noCost',
};

/** The words of an outcome; its name if this page does not know it. */
export function outcomeText(t: T, outcome: string): string {
  const key = OUTCOME_TEXTS[outcome];
  return key === undefined ? outcome : t(key);
}

interface OutcomeCountsProps {
  outcomes: Record<string, number>;
  /** Whether the first number says what it counts. */
  isNamed?: boolean;
}

/** How many targets were scored, and why the others were not. */
export function OutcomeCounts({ outcomes, isNamed = false }: OutcomeCountsProps) {
  const t = useT();
  const { format } = useLocale();
  const { scored = 0, ...others } = outcomes;
  const rest = Object.entries(others).sort(([, one], [, other]) => other - one);
  return (
    <span className="quality-figure">
      <b>
        {isNamed && `${outcomeText(t, 'scored')}: `}
        {format.count(scored)}
      </b>
      {rest.map(([outcome, count]) => (
        <span key={outcome} className="text-dim">
          {outcomeText(t, outcome)}: {format.count(count)}
        </span>
      ))}
    </span>
  );
}
