// The page of an error: from the list to the line of code, its variables, the prompt and the user, and out again as Markdown or JSON.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { makeFailure, sendFailure } from '../error-events.mjs';
import { eventually, openBrowser, startServer } from '../support.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server, browser, page, errors;
const older = makeFailure({ ago: 3600, user: 'sora', release: 'tabi-desk@2.8.0' });
const newer = makeFailure();
let issue;

before(async () => {
  server = await startServer();
  for (const failure of [older, newer]) await sendFailure(server, failure);
  issue = await eventually('both events', async () => (await server.ask('/issues')).issues.find(({ count }) => count === 2));
  ({ browser, page, errors } = await openBrowser(server, { permissions: ['clipboard-read', 'clipboard-write'] }));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const section = (name) => page.getByRole('region', { name });
const open = async (search = '') => {
  await page.goto(`${server.url}/p/1/issues/${issue.issue_id}${search}`);
  await section('Stack trace').waitFor();
};

test('from the list to variables, breadcrumbs, the call, the trace, and back', async () => {
  await page.goto(`${server.url}/p/1/issues`);
  await page.getByRole('link', { name: /AnswerError/ }).click();
  await page.getByRole('heading', { level: 1, name: 'AnswerError' }).waitFor();

  // The innermost frame of the program is open; the library frame inside it is folded.
  const stack = section('Stack trace');
  await stack.getByText('reply = await client.chat.completions.create').first().waitFor();
  assert.equal(await stack.getByText('pydantic/main.py').count(), 0);
  const variables = stack.getByRole('group', { name: 'Local variables' });
  await variables.getByRole('button', { name: /hours/ }).click();
  await variables.getByText('18:00').waitFor();
  assert.match(await variables.innerText(), /api_key\s+filtered/);

  // The cause has its own frames, and the other thread can be chosen.
  await stack.getByText('JSONDecodeError').waitFor();
  await stack.getByRole('button', { name: 'Show 8 library frames' }).click();
  await stack.getByText('json/decoder.py:345').waitFor();
  await stack.getByLabel('Thread').selectOption({ label: 'ThreadPoolExecutor-0_0 (2 frames)' });
  await stack.getByText('tabi/queue.py:20').waitFor();
  await stack.getByLabel('Thread').selectOption({ index: 0 });

  const breadcrumbs = section('Breadcrumbs');
  const request = breadcrumbs.getByRole('button', { name: /POST https:\/\/api\.openai\.com.*\[200\]/ });
  assert.match(await request.innerText(), /−2\.80 s/);
  await request.click();
  await breadcrumbs.getByText('http.response.size').waitFor();

  const call = section('LLM call');
  await call.getByText('gpt-4o-2024-08-06').waitFor();
  await call.getByText('AIとは何ですか? 簡単に説明してください。').waitFor();
  await call.getByText('AIとは、人工知能の略で、').waitFor();
  assert.match(await call.innerText(), /ended 50\.0 ms before the error/);

  await page.getByRole('link', { name: 'Open trace' }).click();
  await page.waitForURL(new RegExp(`/traces/${newer.trace}`));
  await page.getByText('chat gpt-4o').first().waitFor();
  await page.goBack();
  await section('Stack trace').waitFor();
  await page.getByRole('heading', { name: 'Event 1 of 2' }).waitFor();
});

test('the keyboard leads through events and sections', async () => {
  await open();
  await page.keyboard.press(']');
  await page.getByRole('heading', { name: 'Event 2 of 2' }).waitFor();
  assert.match(page.url(), new RegExp(older.event));
  await page.getByText('sora@tabi.example').first().waitFor();
  await page.keyboard.press('[');
  await page.getByRole('heading', { name: 'Event 1 of 2' }).waitFor();
  await page.getByRole('navigation', { name: 'Sections of the event' }).getByRole('button', { name: 'Request' }).press('Enter');
  assert.equal(await section('Request').evaluate((element) => element === document.activeElement), true);
  await section('Request').getByText('POST https://tabi.example/answer?desk=tokyo-2&lang=ja').waitFor();
});

test('an event beyond the range finds the events before and after it', async () => {
  await open(`?last=15m&event=${older.event}`);
  await page.getByText('This event is not among the latest events').waitFor();
  await page.getByRole('button', { name: 'Newer event' }).click();
  await page.waitForURL(new RegExp(newer.event));
  await page.getByRole('button', { name: 'Older event' }).click();
  await page.waitForURL(new RegExp(older.event));
});

test('a tag narrows the events of the issue', async () => {
  await open();
  const tags = page.getByRole('region', { name: 'Tag distribution' });
  const release = tags.getByRole('link', { name: /tabi-desk@2\.8\.0\s+1\s+50\.0 %/ });
  await release.waitFor();
  assert.match(await tags.innerText(), /Release\s+2 values/);
  await release.click();
  await page.getByRole('heading', { name: 'Event 1 of 1' }).waitFor();
  await page.getByText('sora@tabi.example').first().waitFor();
  await page.getByRole('button', { name: 'Remove release:tabi-desk@2.8.0' }).click();
  await page.getByRole('heading', { name: 'Event 1 of 2' }).waitFor();
});

test('a value of the event filters the issue, and leads to all traces only by a link that says so', async () => {
  await open();
  await page.getByRole('link', { name: 'tabi-desk@2.8.1', exact: true }).click();
  await page.getByRole('heading', { name: 'Event 1 of 1' }).waitFor();
  assert.match(page.url(), new RegExp(`/issues/${issue.issue_id}\\?.*release`));
  await page.getByRole('link', { name: 'All traces with Release tabi-desk@2.8.1' }).click();
  await page.waitForURL(/\/traces\?q=release/);
});

test('an event leads to the log lines around it', async () => {
  await open();
  await page.getByRole('link', { name: 'Logs', exact: true }).and(page.getByTitle('Log lines before and after this event')).click();
  await page.waitForURL(/\/logs\?from=/);
  const range = new URL(page.url()).searchParams;
  const at = Date.parse((await server.ask(`/issues/${issue.issue_id}`)).events[0].time);
  assert.ok(Date.parse(range.get('from')) < at && at < Date.parse(range.get('to')));
});

test('an event is copied as Markdown', async () => {
  await open();
  await section('LLM call').waitFor();
  await page.getByRole('button', { name: 'Copy as Markdown' }).click();
  const text = await eventually('the copied text', () => page.evaluate(() => navigator.clipboard.readText()));
  for (const part of [
    '# AnswerError: the model\'s answer is not JSON \\<img',
    `## Issue #${issue.issue_id}`,
    '- Time range: Last 24 h',
    '- Events: 2',
    '- Users: 2 · `mika` (1), `sora` (1)',
    '- User ID: `mika`',
    `/p/1/issues/${issue.issue_id}?event=${newer.event}`,
    'answer (tabi/answers.py:48)',
    '  > 48     reply = await client.chat.completions.create',
    '    attempt = 3',
    '### Caused by: JSONDecodeError',
    '- Model: `gpt-4o-2024-08-06`',
    '| `region` | `tokyo` |',
    '[200]`',
  ]) {
    assert.ok(text.includes(part), `${part} is not in\n${text}`);
  }
});

test('the JSON of an event is one click away', async () => {
  await open();
  await page.getByRole('button', { name: 'JSON' }).click();
  await page.waitForURL(/view=json/);
  const json = section('JSON');
  await json.getByText('"event_id"').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), json.getByRole('link', { name: 'Download' }).click()]);
  assert.equal(download.suggestedFilename(), `event-${newer.event}.json`);
  await json.getByRole('button', { name: 'Copy' }).click();
  const copied = await eventually('the copied JSON', () => page.evaluate(() => navigator.clipboard.readText()));
  assert.deepEqual(JSON.parse(copied), await server.ask(`/issues/${issue.issue_id}/events/${newer.event}`));
});

test('the page has no accessibility violations', async () => {
  await open();
  await section('LLM call').waitFor();
  await section('Breadcrumbs').getByTestId('breadcrumb').nth(1).click();
  await page.evaluate(AXE);
  for (const theme of ['light', 'dark']) {
    // Without motion, colours do not change slowly.
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [theme, id, nodes.map(({ html }) => html.slice(0, 120))]), []);
  }
});

test('hostile text stays text', async () => {
  await open();
  await section('Event details').waitFor();
  assert.equal(await page.locator('img[src=x], main script').count(), 0);
  assert.notEqual(await page.title(), 'owned');
  assert.deepEqual(errors, []);
});
