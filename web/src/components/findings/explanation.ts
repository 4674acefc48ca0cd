import type { Finding, FindingReason } from '../../api/types';
import type { T, TextKey } from '../../i18n';

type Arguments = Extract<FindingReason, { code: 'bad_arguments' }>;

const LIMITS: Record<Extract<FindingReason, { code: 'limit_reached' }>['limit'], TextKey> = {
  turns: 'finding.limit.turns',
  iterations: 'finding.limit.iterations',
  recursion: 'finding.limit.recursion',
  time: 'finding.limit.time',
  budget: 'finding.limit.budget',
};

/** A language (ISO 639-3) or a script (ISO 15924) by its name in the language of the reader. */
export function languageName(t: T, locale: string, code: string): string {
  const isScript = code.length === 4;
  try {
    const name = new Intl.DisplayNames(locale, { type: isScript ? 'script' : 'language', fallback: 'none' }).of(code);
    if (name === undefined) return code;
    return isScript ? t('finding.script', { name }) : name;
  } catch {
    return code;
  }
}

function argumentText(t: T, reason: Arguments): string | null {
  const { tool } = reason;
  switch (reason.fault) {
    case 'invalid_json':
      return t('finding.reason.invalidJson', { tool });
    case 'missing':
      return t('finding.reason.missing', { tool, argument: reason.argument });
    case 'wrong_type':
      return t('finding.reason.wrongType', { tool, argument: reason.argument, expected: reason.expected });
    case 'not_allowed':
      return t('finding.reason.notAllowed', { tool, argument: reason.argument });
    case 'unexpected':
      return t('finding.reason.unexpected', { tool, argument: reason.argument });
    case 'rejected':
      return t('finding.reason.rejected', { tool });
    default:
      return null;
  }
}

function growthText(t: T, reason: Extract<FindingReason, { code: 'grew' }>): string {
  const { agent, from_tokens: from, to_tokens: to, window } = reason;
  if (agent === null) return window === null ? t('finding.reason.grew', { from, to }) : t('finding.reason.grewOf', { from, to, window });
  return window === null ? t('finding.reason.agentGrew', { agent, from, to }) : t('finding.reason.agentGrewOf', { agent, from, to, window });
}

function truncationText(t: T, { source, output_tokens: n }: Extract<FindingReason, { code: 'truncated' }>): string {
  if (source === 'token_limit') return n === null ? t('finding.reason.tokenLimit') : t('finding.reason.tokenLimitOf', { n });
  return n === null ? t('finding.reason.truncated') : t('finding.reason.truncatedAfter', { n });
}

/** Null for a reason that this page does not know. */
function reasonText(t: T, locale: string, reason: FindingReason): string | null {
  switch (reason.code) {
    case 'same_call_same_result':
      return t('finding.reason.sameResult', { tool: reason.tool, n: reason.calls });
    case 'same_failure':
      return t('finding.reason.sameFailure', { tool: reason.tool, n: reason.calls });
    case 'ping_pong':
      return t('finding.reason.pingPong', { first: reason.first_agent, second: reason.second_agent, n: reason.handoffs });
    case 'error_not_mentioned':
      return t('finding.reason.errorNotMentioned', { tool: reason.tool, n: reason.failures });
    case 'model_retries':
      return reason.model === null
        ? t('finding.reason.unnamedModelRetries', { n: reason.attempts })
        : t('finding.reason.modelRetries', { model: reason.model, n: reason.attempts });
    case 'tool_retries':
      return t('finding.reason.toolRetries', { tool: reason.tool, n: reason.attempts });
    case 'truncated':
      return truncationText(t, reason);
    case 'empty':
      return reason.output_tokens === null ? t('finding.reason.empty') : t('finding.reason.emptyOf', { n: reason.output_tokens });
    case 'asked_again':
      return t(reason.reworded ? 'finding.reason.reworded' : 'finding.reason.askedAgain', { n: reason.turns_later });
    case 'not_offered':
      return reason.offered === 0
        ? t('finding.reason.noToolOffered', { tool: reason.tool })
        : t('finding.reason.notOffered', { tool: reason.tool, n: reason.offered });
    case 'bad_arguments': {
      const text = argumentText(t, reason);
      // Japanese sentences follow each other without a space.
      const space = text?.endsWith('。') ? '' : ' ';
      return text !== null && reason.corrected ? `${text}${space}${t('finding.reason.corrected')}` : text;
    }
    case 'limit_reached': {
      const key = LIMITS[reason.limit];
      if (key === undefined) return null;
      const limit = t(key);
      return reason.maximum === null ? t('finding.reason.limit', { limit }) : t('finding.reason.limitOf', { limit, maximum: reason.maximum });
    }
    case 'grew':
      return growthText(t, reason);
    case 'other_language': {
      const name = (code: string) => languageName(t, locale, code);
      return t('finding.reason.otherLanguage', { asked: name(reason.asked), answered: name(reason.answered) });
    }
    case 'declined':
      return t(reason.by_finish_reason ? 'finding.reason.reportedRefusal' : 'finding.reason.declined');
    default:
      return null;
  }
}

/** Why a finding was made, in the language of the reader; for a reason of a newer server, its own English sentence. */
export const explanationText = (t: T, locale: string, { reason, explanation }: Pick<Finding, 'reason' | 'explanation'>): string =>
  reasonText(t, locale, reason) ?? explanation;
