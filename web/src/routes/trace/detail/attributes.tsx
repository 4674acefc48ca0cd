import { useMemo, useState } from 'react';
import type { SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { HiddenMessagesNote } from '../../../components/hidden-messages';
import { Icon } from '../../../components/icons';
import { CopyButton, CopyIconButton } from '../../../components/states';
import { CodeBlock } from '../../../components/text/code-block';
import { UserText } from '../../../components/values';

const attributeText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** As the client sent them, by their own names. */
export function AttributesTab({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const [words, setWords] = useState('');
  const all = useMemo(
    () => Object.entries(detail.attributes).map(([name, value]) => ({ name, text: attributeText(value) ?? '' })),
    [detail],
  );
  const lower = words.toLowerCase();
  const found = all.filter(({ name, text }) => name.toLowerCase().includes(lower) || text.toLowerCase().includes(lower));
  if (detail.messages_hidden) return <HiddenMessagesNote />;
  if (all.length === 0) return <p className="text-dim text-small trace-tab-padding">{t('trace.noAttributes')}</p>;
  return (
    <>
      <div className="tab-tools">
        <label className="trace-search">
          <Icon name="search" size="small" />
          <input
            value={words}
            onChange={(event) => setWords(event.target.value)}
            placeholder={t('trace.findAmong', { n: all.length })}
            aria-label={t('trace.findAmong', { n: all.length })}
            spellCheck={false}
          />
        </label>
        <CopyButton quiet text={JSON.stringify(detail.attributes, null, 2)} />
      </div>
      {found.length === 0 ? (
        <p className="text-dim text-small trace-tab-padding">{t('trace.noneFound')}</p>
      ) : (
        <dl className="trace-attributes">
          {found.map(({ name, text }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {text.length > 200 || /^\s*[{[]/.test(text) ? (
                  <CodeBlock text={text} lines={10} />
                ) : text === '' ? (
                  <span className="text-dim">""</span>
                ) : (
                  <UserText text={text} />
                )}
              </dd>
              <CopyIconButton text={text} label={t('trace.copyValue', { name })} />
            </div>
          ))}
        </dl>
      )}
    </>
  );
}

/** The span as the API answers it. */
export function RawTab({ detail }: { detail: SpanDetail }) {
  const text = useMemo(() => JSON.stringify(detail), [detail]);
  return (
    <>
      <div className="tab-tools">
        <span className="spacer" />
        <CopyButton quiet text={text} />
      </div>
      <CodeBlock text={text} lines={600} />
    </>
  );
}
