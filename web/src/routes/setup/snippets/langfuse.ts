import { highlighted, otlpSettings, type Snippet } from './snippet';

/** Everything that reports to Langfuse: only the address and the keys change. */
export const LANGFUSE_SNIPPETS: Snippet[] = [
  {
    id: 'langfuse',
    name: 'Langfuse',
    file: 'shell',
    checks: { begin: 'setup.check.startLangfuse', flush: 'get_client().flush()', debug: 'export LANGFUSE_DEBUG=true' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'shell',
        `# ${t('setup.comment.langfuse')}
export LANGFUSE_BASE_URL=${origin}
export LANGFUSE_BASEURL=${origin}
export LANGFUSE_HOST=${origin}
export LANGFUSE_PUBLIC_KEY=${key}
export LANGFUSE_SECRET_KEY=${key}
`,
      );
    },
  },
];
