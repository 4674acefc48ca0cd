import { Link } from '@tanstack/react-router';
import type { Hint, Project } from '../../api/types';
import { plain } from '../../format';
import { useT, type TextKey } from '../../i18n';
import { en } from '../../i18n/en';
import { useLocale } from '../../locale';
import { Icon } from '../icons';
import { CopyButton } from '../states';
import { Chip } from '../values';
import { settingFor } from './settings';
import './hints.css';

const hintKey = ({ hint, sdk, subject, trace_id }: Hint) => [hint, sdk, subject, trace_id].join(' ');

/** What clients could do better: what is seen, what it means for the figures, and the lines that change it. */
export function HintList({ hints, project }: { hints: Hint[]; project: Project }) {
  return (
    <ul className="hints">
      {hints.map((hint) => (
        <HintItem key={hintKey(hint)} hint={hint} project={project} />
      ))}
    </ul>
  );
}

function HintItem({ hint, project }: { hint: Hint; project: Project }) {
  const t = useT();
  const { format } = useLocale();
  const code = settingFor(hint.hint, hint.sdk);
  const fix = `hints.${hint.hint}.fix`;
  return (
    <li>
      <Icon name="issues" size="small" />
      <div>
        <p>
          <HintText hint={hint} /> <Chip>{hint.sdk ?? t('hints.unknownSdk')}</Chip>
        </p>
        {hint.hint !== 'unpriced_model' && fix in en && <p className="text-dim">{t(fix as TextKey)}</p>}
        {hint.hint === 'unpriced_model' && (
          <p className="text-dim">
            {!hint.priced && <>{t('hints.unpriced_model.fix')} </>}
            {hint.priced ? (
              <Link className="text-link" to="/settings" search={{ project: String(project.id) }} hash="reprice">
                {t('prices.repriceShort')}
              </Link>
            ) : (
              <Link className="text-link" to="/settings" search={{ project: String(project.id), price: hint.subject ?? undefined }}>
                {t('trace.setPrice')}
              </Link>
            )}
          </p>
        )}
        {code && (
          <figure className="code-figure">
            <figcaption>
              <span className="monospace">{hint.sdk ?? ''}</span>
              <CopyButton text={code} quiet />
            </figcaption>
            <pre tabIndex={0}>
              <code>{code}</code>
            </pre>
          </figure>
        )}
        <p className="text-dim hints-seen">
          {hint.last_at && <span>{t('hints.seen', { n: format.count(hint.count), time: format.moment(hint.last_at) })}</span>}
          {hint.last_at && hint.trace_id && (
            <Link
              className="text-link"
              to="/p/$project/traces/$trace"
              params={{ project: String(project.id), trace: hint.trace_id }}
              search={{ span: hint.span_id ?? undefined }}
            >
              {t('hints.example')}
            </Link>
          )}
        </p>
      </div>
    </li>
  );
}

/** The sentence, with its number or name in it. */
export function HintText({ hint }: { hint: Hint }) {
  const t = useT();
  const { format } = useLocale();
  if (hint.hint === 'sampled') {
    return hint.value === null ? t('hints.sampledSome') : t('hints.sampled', { percent: plain(format.percent(hint.value)) });
  }
  if (hint.hint === 'clock_off') return t('hints.clock_off', { time: plain(format.duration(Math.abs(hint.value ?? 0) * 1000)) });
  if (hint.hint === 'unpriced_model' && hint.priced) return t('hints.unpriced_model.priced', { subject: hint.subject ?? '' });
  return t(`hints.${hint.hint}`, { subject: hint.subject ?? '' });
}
