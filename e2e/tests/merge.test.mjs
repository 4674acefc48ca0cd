// Issues are merged by hand, found under their old numbers, and split off again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hex, makeFailure, sendEnvelope, sendFailure } from '../error-events.mjs';
import { eventually, openBrowser, startServer } from '../support.mjs';

let server, browser, page, errors;
let large, small;

before(async () => {
  server = await startServer();
  for (const ago of [120, 60]) await sendFailure(server, makeFailure({ ago }));
  await sendEnvelope(server, [[{ type: 'event' }, { event_id: hex(32), level: 'error', exception: { values: [{ type: 'DeskClosedError', value: 'come back tomorrow' }] } }]]);
  const issues = await eventually('both issues', async () => {
    const answer = await server.ask('/issues');
    return answer.issues.reduce((sum, { count }) => sum + count, 0) === 3 && answer.issues;
  });
  large = issues.find(({ type }) => type === 'AnswerError').issue_id;
  small = issues.find(({ type }) => type === 'DeskClosedError').issue_id;
  ({ browser, page, errors } = await openBrowser(server));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const rows = () => page.getByRole('table', { name: 'Issues' }).locator('tbody tr');

test('a filter that matches nothing, or is not one, says so at the filter', async () => {
  await page.goto(`${server.url}/p/1/issues?q=user:nobody`);
  await page.getByText('No issue matches this filter').waitFor();
  await page.getByRole('button', { name: 'Clear filter' }).click();
  await eventually('both issues', async () => (await rows().count()) === 2);
  await page.goto(`${server.url}/p/1/issues?q=colour:red`);
  await page.getByRole('search').getByRole('alert').getByText('unknown field "colour"').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Try again' }).count(), 0);
  // The browser reports the rejected request.
  errors.length = 0;
});

test('issues are merged in the list', async () => {
  await page.goto(`${server.url}/p/1/issues`);
  await rows().first().getByText(/^#\d+ · /).waitFor();
  const top = async () => (await rows().first().boundingBox()).y;
  const before = await top();
  await page.getByRole('checkbox', { name: new RegExp(`#${large} `) }).check();
  assert.equal(await top(), before, 'selecting an issue does not move the rows');
  const merge = page.getByRole('button', { name: 'Merge…' });
  assert.equal(await merge.isDisabled(), true);
  await page.getByRole('checkbox', { name: new RegExp(`#${small} `) }).check();
  await merge.click();

  // What will happen and how to undo it is said first; Escape leaves everything as it is.
  const panel = page.getByRole('group', { name: 'Merge 2 issues' });
  assert.match(await panel.innerText(), new RegExp(`The events of #${small} and new events like them move to #${large}.*Split off`, 's'));
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'detached' });
  assert.equal(await rows().count(), 2);

  await merge.click();
  await panel.getByRole('button', { name: 'Merge 2 issues' }).click();
  await eventually('one issue', async () => (await rows().count()) === 1);
  await page.getByRole('status').getByRole('link', { name: `Open #${large}` }).waitFor();
  const { issue } = await server.ask(`/issues/${large}`);
  assert.equal(issue.count, 3);
});

test('a merge is undone where it was made', async () => {
  await page.getByRole('status').getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('status').getByText('The merge was undone.').waitFor();
  await eventually('both issues', async () => (await rows().count()) === 2);
  assert.equal((await server.ask(`/issues/${large}`)).issue.count, 2);
  await server.change(`/issues/${large}/merge`, { issues: [small] });
});

test('a merged issue is found under its old number, and split off again', async () => {
  await page.goto(`${server.url}/p/1/issues/${small}`);
  await page.waitForURL(new RegExp(`/issues/${large}$`));
  await page.getByText(`Merged from #${small}`).waitFor();
  const groups = page.getByRole('region', { name: 'Merged issues' });
  await page.getByRole('button', { name: 'Split off…' }).click();
  assert.equal(await groups.evaluate((element) => element === document.activeElement), true);
  const group = groups.getByRole('listitem').filter({ hasText: 'DeskClosedError' });
  assert.match(await group.innerText(), new RegExp(`was #${small}\\s+1 event`));
  await group.getByRole('button', { name: 'Split off' }).click();
  const panel = group.getByRole('group', { name: 'Split off this group' });
  assert.match(await panel.innerText(), new RegExp(`become issue #${small} again`));
  await panel.getByRole('button', { name: 'Split off' }).click();
  const done = page.getByRole('status').getByRole('link', { name: `Open #${small}` });
  await done.waitFor();
  await groups.waitFor({ state: 'detached' });
  await done.click();
  await page.getByRole('heading', { level: 1, name: 'DeskClosedError' }).waitFor();
  assert.match(page.url(), new RegExp(`/issues/${small}$`));
  assert.equal((await server.ask(`/issues/${large}`)).issue.count, 2);
  assert.deepEqual(errors, []);
});
