import { useState } from 'react';
import type { SpanDetail } from '../../../api/span-types';
import { useT } from '../../../i18n';
import { Rich } from '../../../parts/rich';
import { captureOf } from '../../../parts/hints/settings';
import { CopyButton } from '../../../parts/states';
import { Code } from '../../../parts/text/code';
import { MessageView, messageText } from '../../../parts/text/message';
import type { TextMode } from '../../../parts/text/prose';
import { useReader } from '../../../reader';
import { isCall } from '../model/tree';
import { CostLine } from './cost';
import { TextsFrom } from './notes';

const MODES = ['reading', 'text', 'json'] as const;
type Mode = (typeof MODES)[number];

// How one likes to read stays from span to span.
let preferred: Mode = 'reading';

/** So many messages of a long history are shown; the newest are what matters. */
const NEWEST = 12;

export function MessagesTab({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useReader();
  const [mode, setMode] = useState<Mode>(preferred);
  const [whole, setWhole] = useState(false);
  const { input_messages: input, output_messages: output, usage } = detail;
  const all = [...input, ...output];
  if (all.length === 0) return <Missing detail={detail} />;
  const hidden = whole || input.length <= NEWEST + 2 ? 0 : input.length - NEWEST;
  // Instructions stand first, whatever is folded.
  const lead = hidden > 0 && input[0]?.role === 'system' ? 1 : 0;
  const shownInput = hidden > 0 ? [...input.slice(0, lead), ...input.slice(hidden + lead)] : input;
  const json = () => JSON.stringify({ input_messages: input, output_messages: output });
  const read: TextMode = mode === 'text' ? 'text' : 'reading';
  return (
    <>
      {detail.texts_from && <TextsFrom from={detail.texts_from} />}
      <div className="tabtools">
        <div className="seg" role="group" aria-label={t('trace.showMessagesAs')}>
          {MODES.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={mode === one}
              className={mode === one ? 'on' : undefined}
              onClick={() => {
                preferred = one;
                setMode(one);
              }}
            >
              {t(`trace.mode.${one}`)}
            </button>
          ))}
        </div>
        <span className="sp" />
        <CopyButton
          quiet
          label={t('trace.copyAll')}
          text={mode === 'json' ? json() : all.map((message) => `${message.role}:\n${messageText(message)}`).join('\n\n')}
        />
      </div>
      {mode === 'json' ? (
        <Code text={json()} lines={400} />
      ) : (
        <>
          {shownInput.slice(0, lead).map((message, at) => (
            <MessageView key={`lead ${at}`} message={message} mode={read} />
          ))}
          {hidden > 0 && (
            <p className="gapm">
              <button type="button" className="act" onClick={() => setWhole(true)}>
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
          {output.length === 0 && detail.kind === 'llm' && <p className="dim small pad">{t('trace.noAnswer')}</p>}
        </>
      )}
      {isCall(detail) && <Finish detail={detail} />}
      <CostLine detail={detail} />
    </>
  );
}

function Finish({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { format } = useReader();
  const reasons = detail.finish_reasons ?? [];
  const system = detail.input_messages.some(({ role }) => role === 'system' || role === 'developer');
  const tools = detail.tool_definitions?.length ?? 0;
  const temperature = detail.request?.temperature;
  return (
    <div className="fin">
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
function Missing({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { code, words } = captureOf(detail.sdk?.name);
  if (detail.kind !== 'llm' && detail.kind !== 'agent') return <p className="dim small pad">{t('trace.noMessages')}</p>;
  return (
    <div className="missing">
      <h3>{t('trace.missing')}</h3>
      <p>
        <Rich text={t(words)} />
      </p>
      <figure className="code">
        <figcaption>
          <span>{detail.sdk?.name ?? 'OpenTelemetry'}</span>
          <CopyButton text={code} quiet />
        </figcaption>
        <pre tabIndex={0}>
          <code>{code}</code>
        </pre>
      </figure>
      <p className="dim small">{t('trace.missing.then')}</p>
      <CostLine detail={detail} />
    </div>
  );
}
