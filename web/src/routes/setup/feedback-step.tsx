import { useT } from '../../i18n';
import { CopyButton } from '../../components/states';
import { InlineCodeText } from '../../components/inline-code-text';

/** How a browser sends the feedback of an end user, with the public key. */
export function feedbackSnippet(dsn: string, project: number): string {
  const { origin, username: key } = new URL(dsn);
  return `await fetch('${origin}/api/v1/projects/${project}/feedback', {
  method: 'POST',
  headers: { 'content-type': 'application/json', 'x-hinomi-key': '${key}' },
  body: JSON.stringify({ trace_id: traceId, value: helpful, comment }),
});`;
}

export function FeedbackStep({ dsn, project }: { dsn: string; project: number }) {
  const t = useT();
  const code = feedbackSnippet(dsn, project);
  return (
    <div className="setup-step">
      <h2>{t('setup.feedback')}</h2>
      <p>{t('setup.feedbackWhy')}</p>
      <figure className="code-figure">
        <figcaption>
          <span className="monospace">feedback.js</span>
          <CopyButton quiet text={code} />
        </figcaption>
        <pre tabIndex={0}>
          <code>{code}</code>
        </pre>
      </figure>
      <p className="setup-note">
        <InlineCodeText text={t('setup.feedbackTrace')} />
      </p>
    </div>
  );
}
