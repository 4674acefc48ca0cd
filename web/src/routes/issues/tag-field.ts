import type { IssueEvent, IssueTag } from '../../api/types';

/** Fields of the filter for what is listed like a tag; tags that the program sent have the prefix `tag.`. */
const FIELDS = new Map([
  ['user', 'user'],
  ['release', 'release'],
  ['environment', 'environment'],
  ['dist', 'attr.dist'],
  ['level', 'attr.level'],
  ['transaction', 'attr.transaction'],
  ['server_name', 'attr.server_name'],
  ['logger', 'attr.logger'],
  ['handled', 'attr.error.handled'],
  ['mechanism', 'attr.error.mechanism'],
  ['runtime', 'attr.runtime.name'],
  ['os', 'attr.os.name'],
  ['browser', 'attr.browser.name'],
  ['device', 'attr.device.model'],
  ['url', 'attr.request.url'],
]);

/** Tags that say most about whom an error hits. */
const FIRST_TAGS = ['user', 'release', 'environment'];

/** The field of the filter that finds events by a tag. */
export const tagField = (key: string): string => FIELDS.get(key) ?? `tag.${key}`;

const textOf = (value: unknown) => (typeof value === 'string' ? value : null);

/** Text of a member of an object; null if there is none. */
function memberText(object: unknown, name: string): string | null {
  return typeof object === 'object' && object !== null ? textOf((object as Record<string, unknown>)[name]) : null;
}

/** The value that an event has of a tag; null if it does not have the tag. */
export function tagValueOf(event: IssueEvent, key: string): string | null {
  switch (key) {
    case 'user':
      return event.user_id;
    case 'handled':
      return event.handled === null ? null : String(event.handled);
    case 'mechanism':
      return event.exceptions.at(-1)?.mechanism?.type ?? null;
    case 'runtime':
    case 'os':
    case 'browser':
      return memberText(event.contexts[key], 'name');
    case 'device':
      return memberText(event.contexts.device, 'model');
    case 'url':
      return memberText(event.request, 'url');
    case 'release':
    case 'environment':
    case 'dist':
    case 'level':
    case 'transaction':
    case 'server_name':
    case 'logger':
      return event[key];
    default:
      return Object.hasOwn(event.tags, key) ? (event.tags[key] ?? null) : null;
  }
}

/** Tags whose values differ between events, and those with one value in all of them; in both, what says most comes first. */
export function splitTags(tags: IssueTag[], events: number): { varied: IssueTag[]; same: IssueTag[] } {
  const rank = ({ key }: IssueTag) => {
    const first = FIRST_TAGS.indexOf(key);
    if (first >= 0) return first;
    return FIELDS.has(key) ? FIRST_TAGS.length + 1 : FIRST_TAGS.length;
  };
  const sorted = tags.toSorted((a, b) => rank(a) - rank(b));
  const isSame = ({ distinct, count }: IssueTag) => distinct === 1 && count === events;
  return { varied: sorted.filter((tag) => !isSame(tag)), same: sorted.filter(isSame) };
}
