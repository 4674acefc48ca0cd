// Findings: an agent calls a tool in a loop, and the pages Quality, Traces and the page of the trace show it in both languages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KEY, eventually, openBrowser, startServer } from '../support.mjs';

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

/** Runs steps on a signed-in page, which must log no error. */
async function withPage(steps, options = {}) {
  const { browser, page, errors } = await openBrowser(server, options);
  try {
    await steps(page);
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
}

const LOOP = '00000000000000000000000000000001';
const HEALTHY = '00000000000000000000000000000002';
const JSON_WITH_KEY = { 'content-type': 'application/json', 'x-hinomi-key': KEY };
const TOOL = '検索 <b>"fast"</b>';
/** Time limit for the search of new traces. */
const SECONDS = 60;

const text = (key, value) => ({ key, value: { stringValue: value } });
const number = (key, value) => ({ key, value: { intValue: String(value) } });
const messages = (role, ...parts) => JSON.stringify([{ role, parts: parts.map((content) => ({ type: 'text', content })) }]);

/** An agent that asks the model `rounds` times, and each time calls the tool with the same arguments. */
function runOf(trace, rounds) {
  const start = Date.now() - 60_000;
  const at = (seconds) => `${BigInt(start + seconds * 1000) * 1_000_000n}`;
  const id = (n) => n.toString(16).padStart(16, '0');
  const span = (n, name, from, to, attributes) => ({
    traceId: trace,
    spanId: id(n),
    ...(n > 1 && { parentSpanId: id(1) }),
    name,
    startTimeUnixNano: at(from),
    endTimeUnixNano: at(to),
    attributes,
  });
  const chat = (n, from, answer) =>
    span(n, 'chat gpt-4o-mini', from, from + 1, [
      text('gen_ai.operation.name', 'chat'),
      text('gen_ai.request.model', 'gpt-4o-mini'),
      number('gen_ai.usage.input_tokens', 1000),
      number('gen_ai.usage.output_tokens', 100),
      text('gen_ai.input.messages', messages('user', 'Find a hotel in Kanazawa.')),
      text('gen_ai.output.messages', messages('assistant', answer)),
    ]);
  const tool = (n, from) =>
    span(n, `execute_tool ${TOOL}`, from, from + 1, [
      text('gen_ai.operation.name', 'execute_tool'),
      text('gen_ai.tool.name', TOOL),
      text('gen_ai.tool.call.arguments', JSON.stringify({ city: 'Kanazawa' })),
      text('gen_ai.tool.call.result', JSON.stringify({ hotels: [] })),
    ]);
  const agent = [text('gen_ai.operation.name', 'invoke_agent'), text('gen_ai.agent.name', 'hotels')];
  const turns = Array.from({ length: rounds }, (_, round) => [chat(10 + 2 * round, 4 * round + 1, 'I search.'), tool(11 + 2 * round, 4 * round + 3)]);
  const end = 4 * rounds + 1;
  return [span(1, 'invoke_agent hotels', 0, end + 2, agent), ...turns.flat(), chat(9, end, 'There is no hotel in Kanazawa.')];
}

async function send(spans) {
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
  assert.equal((await fetch(`${server.url}/v1/traces`, { method: 'POST', headers: JSON_WITH_KEY, body })).status, 200);
}

const RANGE = 'from=-24h&to=now';
const summary = (q = '') => server.ask(`/findings/summary?${RANGE}&q=${encodeURIComponent(q)}`);

test('a tool loop is found, and its trace is one click away', async () => {
  await send(runOf(LOOP, 5));
  await send(runOf(HEALTHY, 1));
  const searched = async () => {
    const answer = await summary();
    return answer.kinds.length > 0 && answer.unsearched_traces === 0 ? answer : null;
  };
  const found = await eventually('the loop', searched, { seconds: SECONDS });
  assert.deepEqual(found.kinds.map(({ kind, traces }) => [kind, traces]), [['tool_loop', 1]]);
  assert.equal(found.traces_with_findings, 1);
  assert.equal(found.kinds[0].examples[0].trace_id, LOOP);

  await withPage(async (page) => {
    await page.goto(`${server.url}/p/1/quality`);
    await page.getByRole('link', { name: 'What goes wrong' }).click();
    const row = page.getByRole('row', { name: /tool loop/ });
    await row.getByText(`The tool “${TOOL}” was called 5 times with equal arguments`).waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/findings.png`, fullPage: true });

    // With the keyboard: the first row, its findings, and back.
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(/kind=tool_loop/);
    const list = page.getByRole('region', { name: 'Findings: tool loop' });
    await list.getByText(TOOL).waitFor();
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'detached' });

    await row.getByRole('link', { name: /^tool loop/ }).click();
    await list.getByRole('link', { name: 'Show traces' }).click();
    await page.waitForURL(/finding%3Atool_loop/);
    await page.locator(`a[href*="${LOOP}"]`).first().waitFor();
    assert.equal(await page.locator(`a[href*="${HEALTHY}"]`).count(), 0);
    await page.locator('.traces-row').getByText('tool loop').waitFor();

    await page.goBack();
    await list.locator(`a[href*="${LOOP}"]`).first().click();
    await page.waitForURL(new RegExp(`${LOOP}.*span=`));
    await page.locator('.trace-findings').getByText(`The tool “${TOOL}”`).waitFor();
  });
});

test('filters, facets and suggestions know findings', async () => {
  const { traces } = await server.ask(`/traces?${RANGE}&q=-finding:*`);
  assert.deepEqual(traces.map(({ trace_id: id }) => id), [HEALTHY]);
  await withPage(async (page) => {
    await page.goto(`${server.url}/p/1/traces`);
    await page.getByRole('checkbox', { name: 'tool loop' }).check();
    await page.waitForURL(/finding%3Atool_loop/);
    await page.goto(`${server.url}/p/1/traces`);
    await page.getByRole('combobox', { name: 'Filter' }).fill('finding:tool_l');
    await page.getByRole('option', { name: /tool_loop/ }).click();
    await page.waitForURL(/finding%3Atool_loop/);
  });
});

test('the reason is written in the language of the reader, and nothing found is said as such', async () => {
  assert.deepEqual((await summary('user:nobody')).kinds, []);
  await withPage(
    async (page) => {
      await page.goto(`${server.url}/p/1/quality/findings`);
      await page.getByText(`ツール「${TOOL}」が同じ引数で5回呼び出され、毎回同じ結果を返しました。`).first().waitFor();
      await page.goto(`${server.url}/p/1/quality/findings?q=user:nobody`);
      await page.getByRole('heading', { name: 'フィルターに一致するトレースに問題は見つかりませんでした' }).waitFor();
      await page.getByText('ツールのループ').waitFor();
    },
    { locale: 'ja-JP' },
  );
});
