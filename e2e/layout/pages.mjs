// Every page that the router has, each by the addresses at which it looks different.

/** Addresses by route, each with what to click there, if anything; made of what `fill` answered. */
export function addresses({ all, spanless, line, rule, budget, incidents, issues, shares }, empty) {
  const { huge, wide, deep, texts, unknown } = all;
  const trace = (of, query = '') => `/p/1/traces/${of.trace}${query}`;
  const search = (text) => `?${new URLSearchParams({ q: text })}`;
  const nothing = search(`user:nobody name:"${huge.payload.transaction}"`);
  const without = (page) => `/p/${empty}${page}`;
  const call = huge.ids[1];
  const asWritten = {
    '/sign-in': ['/sign-in', '/sign-in?error=used'],
    '/set-password': ['/set-password', '/set-password#token=0'],
    '/share/$token': [...shares.map((token) => `/share/${token}`), `/share/${'0'.repeat(64)}`],
    '/p/$project': ['/p/1', `/p/1${search(`user:${huge.payload.user.id}`)}`, without(''), ['/p/1', 'header button[aria-haspopup=menu]'], ['/p/1', 'header button[aria-haspopup=menu][title]']],
    '/p/$project/setup': ['/p/1/setup', ...['', '?with=opentelemetry', '?with=opentelemetry-go', '?with=kong'].map((chosen) => without(`/setup${chosen}`))],
    '/p/$project/bill': ['/p/1/bill', without('/bill')],
    '/p/$project/traces': ['/p/1/traces', `/p/1/traces${search(`user:${huge.payload.user.id} -model:gpt-4o "words in it"`)}`, `/p/1/traces${nothing}`, without('/traces'), ['/p/1/traces', '[role=search] input']],
    '/p/$project/traces/$trace': [
      trace(huge),
      trace(huge, '?view=timeline'),
      trace(huge, '?view=transcript'),
      trace(huge, '?view=operations'),
      ...['messages', 'cost', 'attributes', 'reading', 'raw', 'errors', 'transcript'].map((tab) => trace(huge, `?span=${call}&tab=${tab}`)),
      trace(huge, `?span=${huge.ids[3]}`),
      trace(wide),
      trace(wide, '?view=operations'),
      trace(deep, '?view=timeline'),
      trace(unknown),
      ...texts.slice(1, -1).map((of) => trace(of)),
      '/p/1/traces/00000000000000000000000000000000',
      trace(spanless),
      [trace(spanless), '[data-testid=log-line]'],
      [trace(huge), '[data-testid=log-line]'],
      [trace(huge), '[data-testid=tool-call] button[aria-expanded]'],
    ],
    '/p/$project/logs': ['/p/1/logs', ['/p/1/logs', '[data-testid=log-line]'], `/p/1/logs?${new URLSearchParams({ line: line.log_id, at: line.time })}`, `/p/1/logs?${new URLSearchParams({ q: `level:debug "nothing ${huge.payload.transaction}"`, line: line.log_id, at: line.time })}`, without('/logs'), ['/p/1/logs', '[role=search] input']],
    '/p/$project/issues': ['/p/1/issues', `/p/1/issues${nothing}`, without('/issues'), ['/p/1/issues', '.issues-select input']],
    '/p/$project/issues/$issue': [...new Set([issues[0], issues.at(-1), issues.find(({ type }) => type === 'RateLimitError')])].map(({ issue_id: id }) => `/p/1/issues/${id}`).concat('/p/1/issues/999999', `/p/1/issues/${issues[0].issue_id}?view=json`, `/p/1/issues/${issues[0].issue_id}${search('tag.plan:nobody')}`, ['[data-testid=library-frames]', '[data-testid=breadcrumb]', '.issues-folded-value button'].map((part) => [`/p/1/issues/${issues[0].issue_id}`, part])),
    '/p/$project/quality': ['/p/1/quality', without('/quality')],
    '/p/$project/quality/findings': ['/p/1/quality/findings', '/p/1/quality/findings?kind=tool_loop', `/p/1/quality/findings${nothing}`, without('/quality/findings'), ['/p/1/quality/findings', 'main details > summary']],
    '/p/$project/quality/evaluators': ['/p/1/quality/evaluators', without('/quality/evaluators')],
    '/p/$project/quality/evaluators/$evaluator': ['/p/1/quality/evaluators/new', '/p/1/quality/evaluators/999999'],
    '/p/$project/metrics': ['/p/1/metrics', '/p/1/metrics?by=model', without('/metrics'), ['/p/1/metrics', 'main button[aria-haspopup=menu]']],
    '/p/$project/mapping': ['/p/1/mapping', `/p/1/mapping?trace=${huge.trace}&span=${call}`, without('/mapping'), ['/p/1/mapping', '.mapping-fields summary']],
    '/p/$project/alerts': ['/p/1/alerts', without('/alerts')],
    '/p/$project/alerts/incidents': ['/p/1/alerts/incidents', without('/alerts/incidents')],
    '/p/$project/alerts/incidents/$incident': [`/p/1/alerts/incidents/${incidents.budget}`, `/p/1/alerts/incidents/${incidents.rule}`],
    '/p/$project/alerts/rules/$rule': [`/p/1/alerts/rules/${rule}`, '/p/1/alerts/rules/new'],
    '/p/$project/alerts/budgets/$budget': [`/p/1/alerts/budgets/${budget}`, '/p/1/alerts/budgets/new'],
    '/p/$project/alerts/deliveries': ['/p/1/alerts/deliveries', without('/alerts/deliveries')],
    '/p/$project/alerts/targets': ['/p/1/alerts/targets', without('/alerts/targets')],
    '/settings': ['/settings?project=1', `/settings?project=${empty}`, `/settings?project=1&price=${encodeURIComponent(huge.payload.transaction.slice(0, 200))}`],
    '/system': ['/system?project=1', `/system?project=${empty}`],
    '/audit': ['/audit', '/audit?action=nothing.like.this', `/audit?project=1&account=1&action=${encodeURIComponent(huge.payload.transaction.slice(0, 200))}`, ['/audit', '[data-testid=audit-entry]'], ['/audit', 'main button[aria-haspopup=menu]']],
    // What no other route knows.
    '/p/$project/$': ['/p/1/nowhere', '/p/999/nowhere'],
    '/$': ['/nowhere'],
  };
  const entries = Object.entries(asWritten).map(([route, list]) => [route, list.map((one) => (typeof one === 'string' ? [one] : one))]);
  return Object.fromEntries(entries);
}

/** What the router of the page knows, but for `/`, which leads to the last project. */
export async function routes(page) {
  const paths = await page.evaluate(() => Object.values(globalThis.__TSR_ROUTER__.routesById).map(({ fullPath, options }) => options.component && fullPath));
  return new Set(paths.filter(Boolean).map((path) => path.replace(/\/$/, '')).filter((path) => path !== ''));
}
