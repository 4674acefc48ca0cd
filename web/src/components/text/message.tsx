import type { ReactNode } from 'react';
import type { Message, Part } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { useLocale } from '../../locale';
import { Icon } from '../icons';
import { CopyIconButton } from '../states';
import { CodeBlock } from './code-block';
import { MediaPart } from './media-part';
import { MessageText, type TextMode } from './message-text';
import './text.css';

const ROLES: Record<string, TextKey> = {
  system: 'text.system',
  developer: 'text.developer',
  user: 'text.user',
  assistant: 'text.assistant',
  tool: 'text.tool',
};

export function RoleName({ role }: { role: string }) {
  const t = useT();
  const key = ROLES[role];
  return <b title={key ? role : undefined}>{key ? t(key) : role}</b>;
}

/** What stands for an image, audio or file in a text. */
export function mediaText({ mime_type: mime, modality, media_id: mediaId, content }: Extract<Part, { type: 'media' }>): string {
  return content ?? `[${mime ?? modality}${mediaId === undefined ? '' : ` ${mediaId}`}]`;
}

/** All that a message says, as text. */
export function messageText({ parts }: Message): string {
  return parts
    .map((part) => {
      if (part.type === 'tool_call') return `${part.name}(${part.arguments})`;
      if (part.type === 'tool_result') return part.result;
      if (part.type === 'media') return mediaText(part);
      return 'text' in part ? part.text : part.content;
    })
    .join('\n\n');
}

interface MessageProps {
  message: Message;
  mode: TextMode;
  /** What stands below the role: tokens, say. */
  aside?: ReactNode;
}

/** A message of a conversation: who, and what. Instructions are shorter, since they are the same each time. */
export function MessageView({ message, mode, aside }: MessageProps) {
  const instructs = message.role === 'system' || message.role === 'developer';
  return (
    <article className={`message message-${message.role}`}>
      <div className="message-author">
        <RoleName role={message.role} />
        {aside}
        <CopyIconButton text={messageText(message)} />
      </div>
      <div className="message-parts">
        {message.parts.map((part, at) => (
          <PartView key={at} part={part} mode={mode} limit={instructs ? 600 : undefined} />
        ))}
        {message.parts.length === 0 && <EmptyPart />}
      </div>
    </article>
  );
}

function EmptyPart() {
  const t = useT();
  return <p className="text-dim text-small">{t('text.empty')}</p>;
}

export function PartView({ part, mode, limit }: { part: Part; mode: TextMode; limit?: number }) {
  const t = useT();
  if (part.type === 'text') return part.text === '' ? <EmptyPart /> : <MessageText text={part.text} mode={mode} limit={limit} />;
  if (part.type === 'reasoning') return <ReasoningPart text={part.text} mode={mode} />;
  if (part.type === 'tool_call') {
    return (
      <ToolPart name={part.name} what={t('text.toolCalled')} id={part.id}>
        {part.arguments && part.arguments !== '{}' ? (
          <CodeBlock text={part.arguments} />
        ) : (
          <p className="text-dim text-small">{t('text.noArguments')}</p>
        )}
      </ToolPart>
    );
  }
  if (part.type === 'tool_result') {
    return (
      <ToolPart name={part.name ?? null} what={t('text.toolAnswered')} id={part.id}>
        {/^\s*[{[]/.test(part.result) ? <CodeBlock text={part.result} /> : <MessageText text={part.result} mode={mode} />}
      </ToolPart>
    );
  }
  if (part.type === 'media') {
    const { modality, mime_type: mime, media_id: mediaId, content } = part;
    return <MediaPart modality={modality} mime={mime ?? null} mediaId={mediaId ?? null} content={content ?? null} />;
  }
  return <CodeBlock text={part.content} />;
}

function ReasoningPart({ text, mode }: { text: string; mode: TextMode }) {
  const t = useT();
  const { format } = useLocale();
  return (
    <details className="message-reasoning">
      <summary>{t('text.reasoning', { n: format.count(text.length) })}</summary>
      <MessageText text={text} mode={mode} />
    </details>
  );
}

function ToolPart({ name, what, id, children }: { name: string | null; what: string; id?: string | null; children: ReactNode }) {
  return (
    <section className="tool-box">
      <header>
        <Icon name="wrench" size="small" />
        {name !== null && <b>{name}</b>}
        <span className="text-dim">{what}</span>
        {id && <code className="text-dim">{id}</code>}
      </header>
      {children}
    </section>
  );
}
