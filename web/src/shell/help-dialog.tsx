import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { useT, type TextKey } from '../i18n';
import { Icon } from '../components/icons';
import { Skeleton } from '../components/states';

const FilterDocs = lazy(() => import('./filter-docs'));

const SHORTCUTS: [string[], TextKey][] = [
  [['/'], 'help.filter'],
  [['j', 'k'], 'help.rows'],
  [['Enter'], 'help.open'],
  [['Esc'], 'help.close'],
  [['h', 'l'], 'help.fold'],
  [['[', ']'], 'help.neighbours'],
  [['l'], 'help.tail'],
  [['?'], 'help.help'],
];

const FILTER_EXAMPLES: [string, TextKey][] = [
  ['model:gpt-4o status:error', 'help.syntax.and'],
  ['model:gpt-4o,gpt-4o-mini', 'help.syntax.oneOf'],
  ['-pipeline:support-answer', 'help.syntax.not'],
  ['cost:>0.05', 'help.syntax.greaterThan'],
  ['duration:>30s', 'help.syntax.duration'],
  ['(status:error OR cost:>1) user:u_1', 'help.syntax.or'],
  ['user:*', 'help.syntax.present'],
  ['"返金"', 'help.syntax.text'],
];

export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const t = useT();
  const dialog = useRef<HTMLDialogElement>(null);
  const [docs, setDocs] = useState(false);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open) dialog.current?.close();
  }, [open]);
  return (
    <dialog className="help-dialog" ref={dialog} onClose={onClose} aria-label={t('bar.help')}>
      <div className="section-head">
        <h2>{t('help.title')}</h2>
        <button type="button" className="icon-button" onClick={onClose} aria-label={t('common.close')}>
          <Icon name="close" />
        </button>
      </div>
      <dl>
        {SHORTCUTS.map(([keys, text]) => (
          <div key={text} style={{ display: 'contents' }}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
      <div className="section-head" style={{ marginTop: 16 }}>
        <h2>{t('help.query')}</h2>
      </div>
      <dl className="help-examples">
        {FILTER_EXAMPLES.map(([example, text]) => (
          <div key={text} style={{ display: 'contents' }}>
            <dt>
              <code>{example}</code>
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
      <details onToggle={(event) => setDocs(event.currentTarget.open)}>
        <summary>{t('help.grammar')}</summary>
        {docs && (
          <Suspense fallback={<Skeleton rows={4} />}>
            <div className="help-text">
              <FilterDocs />
            </div>
          </Suspense>
        )}
      </details>
    </dialog>
  );
}
