import { expect, it } from 'vitest';
import type { IssueTag } from '../../api/types';
import { sampleEvent, sampleException, sampleMechanism } from './sample-event';
import { splitTags, tagField, tagValueOf } from './tag-field';

it('finds events by each tag, and knows the value of an event', () => {
  const event = sampleEvent({
    user_id: 'mika',
    level: 'fatal',
    handled: false,
    logger: 'shop',
    tags: { region: 'tokyo' },
    contexts: { os: { name: 'Linux' }, device: { model: 'Pixel' }, runtime: 'odd' },
    request: { url: 'https://a.example' },
    exceptions: [sampleException({ mechanism: sampleMechanism({ type: 'django' }) })],
  });
  const known: [string, string, string | null][] = [
    ['user', 'user', 'mika'],
    ['level', 'attr.level', 'fatal'],
    ['handled', 'attr.error.handled', 'false'],
    ['mechanism', 'attr.error.mechanism', 'django'],
    ['logger', 'attr.logger', 'shop'],
    ['os', 'attr.os.name', 'Linux'],
    ['device', 'attr.device.model', 'Pixel'],
    ['runtime', 'attr.runtime.name', null],
    ['url', 'attr.request.url', 'https://a.example'],
    ['region', 'tag.region', 'tokyo'],
    ['toString', 'tag.toString', null],
  ];
  for (const [key, field, value] of known) expect([key, tagField(key), tagValueOf(event, key)]).toEqual([key, field, value]);
});

it('separates tags that differ between events from those that do not', () => {
  const tag = (key: string, count: number, distinct: number): IssueTag => ({ key, count, distinct, values: [] });
  const { varied, same } = splitTags([tag('os', 5, 2), tag('level', 5, 1), tag('plan', 3, 1), tag('user', 4, 4), tag('release', 5, 1)], 5);
  expect(varied.map(({ key }) => key)).toEqual(['user', 'plan', 'os']);
  expect(same.map(({ key }) => key)).toEqual(['release', 'level']);
});
