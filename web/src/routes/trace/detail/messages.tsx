import { useState } from 'react';
import { toolsOf } from '../../../api/status';
import type { SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { HiddenMessagesNote } from '../../../components/hidden-messages';
import { InlineCodeText } from '../../../components/inline-code-text';
import { captureOf } from '../../../components/hints/settings';
import { CopyButton } from '../../../components/states';
import { CodeBlock } from '../../../components/text/code-block';
import { MessageView, messageText } from '../../../components/text/message';
import type { TextMode } from '../../../components/text/message-text';
import { useLocale } from '../../../locale';
import { isModelCall } from '../model/tree';
import { CostFormula } from './cost';
import { MessagesFromNote } from './span-notes';

const TEXT_MODES = ['reading', 'text', 'json'] as const;
type MessageMode = (typeof TEXT_MODES)[number];

// How one likes to read stays from span to span.
let preferredMode: MessageMode = 'reading';

/** So many messages of a long history are shown; the newest are what matters. */
const MAX_MESSAGES = 12;

export function MessagesTab({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useLocale();
  const [mode, setMode] = useState<MessageMode>(preferredMode);
  const [whole, setWhole] = useState(false);
  const { input_messages: input, output_messages: output, usage } = detail;
  const all = [...input, ...output];
  if (all.length === 0) return <MissingMessages detail={detail} />;
  const hidden = whole || input.length <= MAX_MESSAGES + 2 ? 0 : input.length - MAX_MESSAGES;
  // Instructions stand first, whatever is folded.
  const lead = hidden > 0 && input[0]?.role === 'system' ? 1 : 0;
  const shownInput = hidden > 0 ? [...input.slice(0, lead), ...input.slice(hidden + lead)] : input;
  const json = () => JSON.stringify({ input_messages: input, output_messages: output });
  const read: TextMode = mode === 'text' ? 'text' : 'reading';
  return (
    <>
      {detail.texts_from && <MessagesFromNote from={detail.texts_from} />}
      <div className="tab-tools">
        <div className="segmented" role="group" aria-label={t('trace.showMessagesAs')}>
          {TEXT_MODES.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={mode === one}
              className={mode === one ? 'is-selected' : undefined}
              onClick={() => {
                preferredMode = one;
                setMode(one);
              }}
            >
              {t(`trace.mode.${one}`)}
            </button>
          ))}
        </div>
        <span className="spacer" />
        <CopyButton
          quiet
          label={t('trace.copyAll')}
          text={mode === 'json' ? json() : all.map((message) => `${message.role}:\n${messageText(message)}`).join('\n\n')}
        />
      </div>
      {mode === 'json' ? (
        <CodeBlock text={json()} lines={400} />
      ) : (
        <>
          {shownInput.slice(0, lead).map((message, at) => (
            <MessageView key={`lead ${at}`} message={message} mode={read} />
          ))}
          {hidden > 0 && (
            <p className="trace-hidden-messages">
              <button type="button" className="action-link" onClick={() => setWhole(true)}>
                {t('trace.earlierMessages', { n: hidden })}
              </button>
            </p>
          )}
          {shownInput.slice(lead).map((message, at, rest) => (
            <MessageView
              key={`in ${input.length - rest.length + at}`}
              message={message}
              mode={read}
              aside={
                rest.length === 1 && lead === 0 && typeof usage?.input_tokens === 'number' ? (
                  <span>{t('trace.tokenCount', { n: format.count(usage.input_tokens) })}</span>
                ) : undefined
              }
            />
          ))}
          {output.map((message, at) => (
            <MessageView
              key={`out ${at}`}
              message={message}
              mode={read}
              aside={
                output.length === 1 && typeof usage?.output_tokens === 'number' ? (
                  <span>{t('trace.tokenCount', { n: format.count(usage.output_tokens) })}</span>
                ) : undefined
              }
            />
          ))}
          {output.length === 0 && detail.kind === 'llm' && <p className="text-dim text-small trace-tab-padding">{t('trace.noAnswer')}</p>}
        </>
      )}
      {isModelCall(detail) && <FinishReason detail={detail} />}
      <CostFormula detail={detail} />
    </>
  );
}

function FinishReason({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useLocale();
  const reasons = detail.finish_reasons;
  const system = detail.input_messages.some(({ role }) => role === 'system' || role === 'developer');
  const tools = toolsOf(detail).length;
  const temperature = detail.request.temperature;
  return (
    <div className="trace-finish">
      {reasons.length > 0 && (
        <span>
          {t('trace.finish')} <b>{reasons.join(', ')}</b>
        </span>
      )}
      {detail.streaming !== null && <span>{t(detail.streaming ? 'trace.streamed' : 'trace.notStreamed')}</span>}
      {!system && <span>{t('trace.noSystem')}</span>}
      <span>{tools > 0 ? t('trace.offeredToolCount', { n: tools }) : t('trace.noTools')}</span>
      <span>
        {typeof temperature === 'number' ? (
          <>
            {t('trace.temperature')}{' '}
            <b>{format.fixed(temperature, temperature % 1 === 0 ? 0 : String(temperature).split('.')[1]!.length)}</b>
          </>
        ) : (
          t('trace.noTemperature')
        )}
      </span>
    </div>
  );
}

/** No texts: why, and what to do. */
function MissingMessages({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { code, words } = captureOf(detail.sdk?.name);
  if (detail.messages_hidden) {
    return (
      <>
        <HiddenMessagesNote />
        <CostFormula detail={detail} />
      </>
    );
  }
  if (detail.kind !== 'llm' && detail.kind !== 'agent')
    return <p className="text-dim text-small trace-tab-padding">{t('trace.noMessages')}</p>;
  return (
    <div className="trace-missing-messages">
      <h3>{t('trace.missing')}</h3>
      <p>
        <InlineCodeText text={t(words)} />
      </p>
      <figure className="code-figure">
        <figcaption>
          <span>{detail.sdk?.name ?? 'OpenTelemetry'}</span>
          <CopyButton text={code} quiet />
        </figcaption>
        <pre tabIndex={0}>
          <code>{code}</code>
        </pre>
      </figure>
      <p className="text-dim text-small">{t('trace.missing.then')}</p>
      <CostFormula detail={detail} />
    </div>
  );
}
