import type { T, TextKey } from '../../i18n';

/** Plain text, or text with a part of speech: keyword, value, comment. */
export type Token = string | ['k' | 'v' | 'c', string];

export interface Snippet {
  id: string;
  label: TextKey;
  file: string;
  code: (dsn: string, t: T) => Token[];
}

const k = (text: string): Token => ['k', text];
const v = (text: string): Token => ['v', text];
const c = (text: string): Token => ['c', text];

/** What a program may speak: one entry is one tab. */
export const SNIPPETS: Snippet[] = [
  {
    id: 'python',
    label: 'setup.python',
    file: 'app.py',
    code: (dsn, t) => [
      k('import'),
      ' sentry_sdk\n',
      k('from'),
      ' sentry_sdk.integrations.openai ',
      k('import'),
      ' OpenAIIntegration\n\n',
      'sentry_sdk.init(\n',
      '    dsn=',
      v(`"${dsn}"`),
      ',\n',
      '    traces_sample_rate=1.0,      ',
      c(`# ${t('setup.cEveryCall')}`),
      '\n',
      '    send_default_pii=',
      k('True'),
      ',       ',
      c(`# ${t('setup.cPrompts')}`),
      '\n',
      '    integrations=[OpenAIIntegration()],\n',
      ')',
    ],
  },
  {
    id: 'javascript',
    label: 'setup.javascript',
    file: 'instrument.mjs',
    code: (dsn, t) => [
      k('import'),
      ' * ',
      k('as'),
      ' Sentry ',
      k('from'),
      ' ',
      v('"@sentry/node"'),
      ';\n\n',
      'Sentry.init({\n',
      '  dsn: ',
      v(`"${dsn}"`),
      ',\n',
      '  tracesSampleRate: 1.0,        ',
      c(`// ${t('setup.cEveryCall')}`),
      '\n',
      '  sendDefaultPii: ',
      k('true'),
      ',         ',
      c(`// ${t('setup.cPrompts')}`),
      '\n',
      '  integrations: [Sentry.openAIIntegration(), Sentry.vercelAIIntegration()],\n',
      '});',
    ],
  },
];

export const textOf = (tokens: Token[]) => tokens.map((token) => (typeof token === 'string' ? token : token[1])).join('');
