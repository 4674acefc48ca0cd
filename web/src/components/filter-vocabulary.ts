import type { TextKey } from '../i18n';
import { FINDING_KINDS, findingTextKey } from './findings/labels';

/** What the filter of a list can name, and what the line offers of it. */
export interface FilterVocabulary {
  /** Fields whose values are names, of which the server knows those that there are. */
  nameFields: readonly string[];
  /** Fields with few values, which never change. */
  fixedValues: Readonly<Record<string, readonly string[]>>;
  /** What a fixed value of a field means, where its letters do not say it. */
  valueHints?: Readonly<Record<string, (value: string) => TextKey | null>>;
  /** Fields that are compared, with bounds to begin with. */
  numberBounds: Readonly<Record<string, readonly string[]>>;
  /** Fields that nobody types by heart: IDs, and texts. */
  otherFields: readonly string[];
  /** What the names of fields that the program sets begin with. */
  prefix: 'tag.' | 'attr.';
  /** How many fields an empty line offers: the first of each sort. */
  firstFields: readonly string[];
  /** What a field is, in a few words. */
  fieldHints: Readonly<Record<string, TextKey>>;
  placeholder: TextKey;
  /** Where words are looked for. */
  textHint: TextKey;
  examples: readonly string[];
}

/** The filter of spans and traces. */
export const SPAN_VOCABULARY: FilterVocabulary = {
  nameFields: [
    'model',
    'provider',
    'pipeline',
    'status',
    'failure',
    'user',
    'session',
    'agent',
    'tool',
    'op',
    'kind',
    'name',
    'prompt',
    'prompt_version',
    'environment',
    'release',
    'key',
  ],
  fixedValues: { finding: [...FINDING_KINDS, 'signal'] },
  valueHints: { finding: findingTextKey },
  numberBounds: {
    cost: ['>0.01', '>0.1', '<0.001'],
    duration: ['>1s', '>5s', '>30s'],
    input_tokens: ['>1000', '>10000', '>100000'],
    output_tokens: ['>500', '>2000', '>8000'],
  },
  otherFields: ['trace', 'span'],
  prefix: 'tag.',
  firstFields: ['model', 'pipeline', 'status', 'user', 'provider', 'cost', 'duration', 'tool', 'finding'],
  fieldHints: {
    model: 'filter.field.model',
    provider: 'filter.field.provider',
    pipeline: 'filter.field.pipeline',
    status: 'filter.field.status',
    user: 'filter.field.user',
    session: 'filter.field.session',
    cost: 'filter.field.cost',
    duration: 'filter.field.duration',
    tool: 'filter.field.tool',
    agent: 'filter.field.agent',
    op: 'filter.field.operation',
    kind: 'filter.field.kind',
    finding: 'filter.field.finding',
    'tag.': 'filter.field.tag',
  },
  placeholder: 'filter.placeholder',
  textHint: 'filter.textSearch',
  examples: ['model:a,b', '-model:a', 'duration:>30s', '(a OR b)', '"返金"'],
};

/** The filter of issues: fields of error events, and those of their traces. */
export const ISSUE_VOCABULARY: FilterVocabulary = {
  ...SPAN_VOCABULARY,
  fixedValues: { level: ['fatal', 'error', 'warning', 'info', 'debug'], handled: ['false', 'true'], ...SPAN_VOCABULARY.fixedValues },
  otherFields: ['type', 'message', 'transaction', 'mechanism', 'logger', 'platform', ...SPAN_VOCABULARY.otherFields],
  firstFields: ['type', 'level', 'handled', 'transaction', 'message', 'release', 'environment', 'user', 'model'],
  fieldHints: {
    ...SPAN_VOCABULARY.fieldHints,
    type: 'filter.field.errorType',
    level: 'filter.field.errorLevel',
    handled: 'filter.field.handled',
    transaction: 'filter.field.transaction',
    message: 'filter.field.message',
  },
  placeholder: 'issues.filterPlaceholder',
  textHint: 'issues.filterText',
  examples: ['type:RateLimitError', 'level:fatal,error', 'handled:false model:gpt-4o*', 'message:*timeout*', '"返金"'],
};

/** Levels of log lines, from the least severe. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** The filter of log lines. */
export const LOG_VOCABULARY: FilterVocabulary = {
  nameFields: [],
  fixedValues: { level: LOG_LEVELS.toReversed() },
  numberBounds: {},
  otherFields: ['service', 'environment', 'release', 'user', 'trace', 'span', 'body'],
  prefix: 'attr.',
  firstFields: ['level', 'service', 'environment', 'user', 'trace', 'body'],
  fieldHints: {
    level: 'filter.field.level',
    service: 'filter.field.service',
    user: 'filter.field.user',
    body: 'filter.field.body',
    trace: 'filter.field.trace',
    span: 'filter.field.span',
    'attr.': 'filter.field.attribute',
  },
  placeholder: 'logs.filterPlaceholder',
  textHint: 'logs.filterText',
  examples: ['level:warn,error', '-level:debug', 'attr.logger.name:shop*', '"返金"'],
};
