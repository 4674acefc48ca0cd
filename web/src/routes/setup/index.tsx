import { useNavigate, useSearch } from '@tanstack/react-router';
import type { Project } from '../../api/types';
import { useT } from '../../i18n';
import { InlineCodeText } from '../../components/inline-code-text';
import { CopyButton, EmptyState } from '../../components/states';
import { Tabs } from '../../components/tabs';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { NewestTraceLink } from './newest-trace-link';
import { chosenSnippet, otlpSettings, SNIPPET_GROUPS, snippetText, type SnippetToken } from './snippets';
import { FeedbackStep } from './feedback-step';
import { FirstTraceWatch } from './first-trace-watch';
import './setup.css';

const GROUP_PANEL = 'snippets';
const SNIPPET_PANEL = 'snippet';
const PREVIEW_ROWS = [
  [48, 88, 96, 92],
  [48, 72, 70, 74],
  [48, 94, 84, 83],
] as const;

/** Steps on the left, what really arrives on the right. */
export default function Setup() {
  const t = useT();
  usePageTitle(t('setup.title'));
  const project = useProject();
  if (project.dsn === null) return <EmptyState title={t('setup.noKey')}>{t('setup.noKeyWhy')}</EmptyState>;
  return <SetupSteps project={project} dsn={project.dsn} />;
}

function SetupSteps({ project, dsn }: { project: Project; dsn: string }) {
  const t = useT();
  const navigate = useNavigate();
  const { with: chosen } = useSearch({ from: '/app/p/$project/setup' });
  const { group, snippet } = chosenSnippet(chosen);
  const code = snippet.code(dsn, t);
  const choose = (id: string) => void navigate({ to: '.', search: (was) => ({ ...was, with: id }), replace: true });
  return (
    <div className="setup-page">
      <section className="setup-steps">
        <div className="setup-step">
          <h2>{t('setup.dsn')}</h2>
          <p>{t('setup.dsnWhy')}</p>
          <div className="setup-dsn">
            <code>{dsn}</code>
            <CopyButton text={dsn} />
          </div>
        </div>
        <div className="setup-step">
          <h2>{t('setup.configure')}</h2>
          <p>{t('setup.configureWhy')}</p>
          <Tabs
            label={t('setup.configure')}
            tabs={SNIPPET_GROUPS.map(({ id, label }) => ({ id, label: t(label) }))}
            selected={group.id}
            onSelect={(id) => choose(SNIPPET_GROUPS.find((other) => other.id === id)!.snippets[0]!.id)}
            panel={GROUP_PANEL}
          />
          <div id={GROUP_PANEL} role="tabpanel" aria-label={t(group.label)}>
            {group.snippets.length > 1 && (
              <div className="setup-products">
                <Tabs
                  label={t('setup.product')}
                  tabs={group.snippets.map(({ id, name }) => ({ id, label: name }))}
                  selected={snippet.id}
                  onSelect={choose}
                  panel={SNIPPET_PANEL}
                />
              </div>
            )}
            <figure
              className="code-figure"
              id={SNIPPET_PANEL}
              {...(group.snippets.length > 1 && { role: 'tabpanel', 'aria-label': snippet.name })}
            >
              <figcaption>
                <span className="monospace">{snippet.file}</span>
                <CopyButton quiet text={snippetText(code)} />
              </figcaption>
              <pre tabIndex={0}>
                <code>
                  {code.map((token, at) => (
                    <HighlightedSnippet key={`${at} ${snippetText([token])}`} token={token} />
                  ))}
                </code>
              </pre>
            </figure>
            {snippet.note && (
              <p className="setup-note">
                <InlineCodeText text={t(snippet.note, { headers: otlpSettings(dsn).headers })} />
              </p>
            )}
          </div>
        </div>
        <div className={project.first_span_at ? 'setup-step is-done' : 'setup-step'}>
          <h2>{t('setup.run')}</h2>
          {project.first_span_at ? (
            <NewestTraceLink project={project} />
          ) : (
            <>
              <p>{t('setup.runWhy')}</p>
              <TracePreview />
            </>
          )}
        </div>
        <FeedbackStep dsn={dsn} project={project.id} />
      </section>
      <FirstTraceWatch key={project.id} project={project} dsn={dsn} client={snippet.id} />
    </div>
  );
}

function HighlightedSnippet({ token }: { token: SnippetToken }) {
  return typeof token === 'string' ? token : <i className={`code-${token[0]}`}>{token[1]}</i>;
}

/** The shape of what will come. */
function TracePreview() {
  const t = useT();
  return (
    <div className="setup-preview" aria-hidden="true">
      <div className="setup-preview-row">
        <span>{t('setup.time')}</span>
        <span>{t('setup.pipeline')}</span>
        <span>{t('setup.model')}</span>
        <span>{t('setup.promptAndAnswer')}</span>
        <span className="numeric">{t('setup.tokens')}</span>
        <span className="numeric">{t('setup.cost')}</span>
        <span className="numeric">{t('setup.duration')}</span>
      </div>
      {PREVIEW_ROWS.map(([time, pipeline, model, conversation]) => (
        <div className="setup-preview-row" key={conversation}>
          <i style={{ width: time }} />
          <i style={{ width: pipeline }} />
          <i style={{ width: model }} />
          <i style={{ width: `${conversation}%` }} />
          <i />
          <i />
          <i />
        </div>
      ))}
    </div>
  );
}
