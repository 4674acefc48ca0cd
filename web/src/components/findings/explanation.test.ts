import { describe, expect, it } from 'vitest';
import type { Finding, FindingReason } from '../../api/types';
import { translate, type T } from '../../i18n';
import { localeOf, type Lang } from '../../prefs';
import { explanationText } from './explanation';

const SERVER = "The server's own sentence.";
const text = (reason: FindingReason, lang: Lang = 'en') => {
  const t: T = (key, vars) => translate(lang, key, vars);
  return explanationText(t, localeOf(lang), { reason, explanation: SERVER });
};

const tool = '検索{n}|x';
const REASONS: FindingReason[] = [
  { code: 'same_call_same_result', tool, calls: 31 },
  { code: 'same_failure', tool, calls: 5 },
  { code: 'ping_pong', first_agent: 'a', second_agent: 'b', handoffs: 6 },
  { code: 'error_not_mentioned', tool, failures: 2 },
  { code: 'model_retries', model: 'gpt-4o', attempts: 5 },
  { code: 'model_retries', model: null, attempts: 5 },
  { code: 'tool_retries', tool, attempts: 5 },
  { code: 'truncated', source: 'finish_reason', output_tokens: null },
  { code: 'truncated', source: 'finish_reason', output_tokens: 1024 },
  { code: 'truncated', source: 'token_limit', output_tokens: null },
  { code: 'truncated', source: 'token_limit', output_tokens: 1024 },
  { code: 'empty', output_tokens: null },
  { code: 'empty', output_tokens: 3 },
  { code: 'asked_again', turns_later: 2, reworded: true },
  { code: 'asked_again', turns_later: 2, reworded: false },
  { code: 'not_offered', tool, offered: 3 },
  { code: 'not_offered', tool, offered: 0 },
  { code: 'bad_arguments', tool, fault: 'invalid_json', corrected: true },
  { code: 'bad_arguments', tool, fault: 'missing', argument: 'city', corrected: false },
  { code: 'bad_arguments', tool, fault: 'wrong_type', argument: 'radius', expected: 'number', corrected: false },
  { code: 'bad_arguments', tool, fault: 'not_allowed', argument: 'order', corrected: false },
  { code: 'bad_arguments', tool, fault: 'unexpected', argument: 'near', corrected: false },
  { code: 'bad_arguments', tool, fault: 'rejected', corrected: false },
  ...(['turns', 'iterations', 'recursion', 'time', 'budget'] as const).map((limit) => ({ code: 'limit_reached' as const, limit, maximum: null })),
  { code: 'limit_reached', limit: 'turns', maximum: 40 },
  { code: 'grew', agent: null, from_tokens: 1000, to_tokens: 120_000, window: null },
  { code: 'grew', agent: null, from_tokens: 1000, to_tokens: 120_000, window: 200_000 },
  { code: 'grew', agent: 'planner', from_tokens: 1000, to_tokens: 120_000, window: null },
  { code: 'grew', agent: 'planner', from_tokens: 1000, to_tokens: 120_000, window: 200_000 },
  { code: 'other_language', asked: 'eng', answered: 'jpn' },
  { code: 'declined', by_finish_reason: true },
  { code: 'declined', by_finish_reason: false },
];

describe.each(['en', 'ja'] as const)('explanations in %s', (lang) => {
  it('are different sentences for different reasons, with all that the reason says', () => {
    const all = REASONS.map((reason) => text(reason, lang));
    expect(new Set(all).size).toBe(REASONS.length);
    expect(all).not.toContain(SERVER);
    REASONS.forEach((reason, at) => {
      const { code: _, fault: _fault, source: _source, limit: _limit, asked: _asked, answered: _answered, ...rest } = reason as Record<string, unknown>;
      for (const value of Object.values(rest)) {
        if (typeof value === 'string') expect(all[at]).toContain(value);
        if (typeof value === 'number' && value > 0) expect(all[at]).toContain(new Intl.NumberFormat('en').format(value));
      }
    });
  });
});

describe('an explanation', () => {
  it('has the number of its nouns', () => {
    expect(text({ code: 'asked_again', turns_later: 1, reworded: false })).toContain('1 turn later');
    expect(text({ code: 'error_not_mentioned', tool: 'search', failures: 1 })).toBe(
      'The tool “search” failed, and the final answer neither mentions the failure nor asks the user.',
    );
    expect(text({ code: 'bad_arguments', tool: 'search', fault: 'rejected', corrected: true })).toMatch(/invalid\. A later call succeeded\.$/);
    expect(text({ code: 'bad_arguments', tool: 'search', fault: 'rejected', corrected: true }, 'ja')).toMatch(/しました。その後/);
  });

  it('names languages and scripts as the reader does', () => {
    expect(text({ code: 'other_language', asked: 'eng', answered: 'Cyrl' })).toBe('The user wrote in English, and the answer is in Cyrillic script.');
    expect(text({ code: 'other_language', asked: 'jpn', answered: 'eng' }, 'ja')).toBe('ユーザーは日本語で書きましたが、回答は英語です。');
    // A code that no language has, and one that is not a code.
    expect(text({ code: 'other_language', asked: 'qqq', answered: '???' })).toBe('The user wrote in qqq, and the answer is in ???.');
  });

  it('is the sentence of the server where the page does not know the reason', () => {
    expect(text({ code: 'of_tomorrow' } as unknown as Finding['reason'])).toBe(SERVER);
    expect(text({ code: 'bad_arguments', tool: 'a', corrected: false, fault: 'of_tomorrow' } as unknown as Finding['reason'])).toBe(SERVER);
    expect(text({ code: 'limit_reached', limit: 'of_tomorrow', maximum: null } as unknown as Finding['reason'])).toBe(SERVER);
  });
});
