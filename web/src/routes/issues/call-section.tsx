import { Link } from '@tanstack/react-router';
import type { IssueEvent } from '../../api/types';
import { Icon, StatusGlyph } from '../../components/icons';
import { MessageText } from '../../components/text/message-text';
import '../../components/text/text.css';
import { Chip, Duration, Swatch, TokenCount, UnknownValue, UserText } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { plain, type Format } from '../../format';
import { useT, type T } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { useModelColors } from '../../model-colors';
import { rangeAround } from '../../range';
import { EventSection } from './event-section';
import { answerOf, lastQuestion, type NearbyCall } from './nearby-call';

/** Letters of a message that are shown before it is unfolded. */
const MESSAGE_CHARACTERS = 500;

interface CallSectionProps {
  project: number;
  event: IssueEvent;
  call: NearbyCall;
}

function relationText({ relation, gapMs }: NearbyCall, t: T, format: Format): string {
  if (relation === 'same') return t('issues.callSame');
  if (relation === 'around') return t('issues.callAround');
  if (gapMs === null) return t('issues.callStartedBefore');
  const gap = plain(format.duration(gapMs));
  if (relation === 'after') return t('issues.callAfter', { gap });
  return gapMs === 0 ? t('issues.callRunning') : t('issues.callBefore', { gap });
}

/** The LLM call that the error most likely has to do with. */
export function CallSection({ project, event, call }: CallSectionProps) {
  const t = useT();
  const { format } = useLocale();
  const { of: colorOf } = useModelColors(project);
  const range = useRange();
  const { span } = call;
  const question = lastQuestion(call);
  const answer = answerOf(call);
  const trace = { to: '/p/$project/traces/$trace' as const, params: { project: String(project), trace: span.trace_id } };
  return (
    <EventSection
      name="call"
      note={relationText(call, t, format)}
      actions={
        <>
          <Link
            className="button"
            to="/p/$project/logs"
            params={{ project: String(project) }}
            search={{ q: fieldTerm('trace', span.trace_id), ...rangeAround(range, Date.parse(event.time)) }}
            title={t('issues.logsOfTrace')}
          >
            <Icon name="logs" size="small" />
            {t('issues.logs')}
          </Link>
          <Link className="button" {...trace} search={{ span: span.span_id, at: event.time }}>
            {t('issues.openCall')}
            <Icon name="go" size="tiny" />
          </Link>
        </>
      }
    >
      <div className="issues-call">
        <StatusGlyph status={span.status} />
        <b className="ellipsis">
          {span.model && <Swatch color={colorOf(span.model)} />} {span.model ?? (span.name || span.op)}
        </b>
        {span.provider && <Chip>{span.provider}</Chip>}
        {span.pipeline && <span className="text-dim ellipsis">{span.pipeline}</span>}
        <span className="spacer" />
        <span title={t('issues.duration')}>
          <Duration ms={span.duration_ms} />
        </span>
        <span title={t('issues.tokens')}>
          <TokenCount n={span.usage.input_tokens ?? null} /> → <TokenCount n={span.usage.output_tokens ?? null} />
          <span className="unit">{t('issues.tokensUnit')}</span>
        </span>
        <span title={t('issues.cost')}>
          {span.cost ? <span title={format.moneyExact(span.cost.total)}>{format.money(span.cost.total)}</span> : <UnknownValue />}
        </span>
      </div>
      {span.status === 'error' && span.error_preview && (
        <p className="text-error text-small line-clamp">
          <UserText text={span.error_preview} />
        </p>
      )}
      <div className="issues-talk">
        {question && (
          <div>
            <h3>{t('issues.question')}</h3>
            <MessageText text={question} mode="reading" limit={MESSAGE_CHARACTERS} />
          </div>
        )}
        {answer ? (
          <div>
            <h3>{t('issues.answer')}</h3>
            <MessageText text={answer} mode="reading" limit={MESSAGE_CHARACTERS} />
          </div>
        ) : (
          question && <p className="text-dim text-small">{t('issues.noAnswer')}</p>
        )}
      </div>
      {call.calls > 1 && (
        <p className="text-small text-medium">
          <Link className="text-link" {...trace} search={{ at: event.time }}>
            {t('issues.callsOfTrace', { n: call.calls })}
          </Link>{' '}
          {call.traceCost !== null && <span className="text-dim">{format.money(call.traceCost)}</span>}
        </p>
      )}
    </EventSection>
  );
}
