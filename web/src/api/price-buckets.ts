import type { BucketName } from './types';

/** What has a price, in the order in which it is shown. */
export const BUCKETS = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'input_audio',
  'input_image',
  'output',
  'reasoning',
  'output_audio',
  'output_image',
  'request',
  'web_search',
  'image',
  'rerank_unit',
  'character',
  'audio_hour',
  'hour',
] as const satisfies readonly BucketName[];
