// Every program of `error-cases.mjs`: the same error twice is one issue, another is another, and what the SDK sent of it is shown.
// `CLIENTS` selects cases (`chooseCases`).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runInBrowser } from '../browser-program.mjs';
import { ERROR_CASES } from '../error-cases.mjs';
import { chooseCases, eventually, run, startServer } from '../support.mjs';

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

async function execute({ program, set, browser, modes }, dsn) {
  if (browser) return runInBrowser(program, set, { dsn, words: Object.keys(modes) });
  for (const [mode, status] of Object.entries(modes)) {
    const ended = await run(program, set, { args: [mode], settings: { SENTRY_DSN: dsn } });
    assert.equal(ended.status, status, `${mode} ended with ${ended.status}: ${ended.out} ${ended.err}`);
  }
}

function assertText(shown, wanted, what) {
  if (wanted instanceof RegExp) assert.match(shown ?? '', wanted, what);
  else assert.equal(shown ?? null, wanted, what);
}

/** The innermost frames, with what the SDK sent of their source and variables. */
function assertFrames(frames, wanted, what) {
  for (const [at, want] of wanted.entries()) {
    const frame = frames.at(at - wanted.length);
    assert.ok(frame, `${what} has frame ${at}`);
    if ('function' in want) assert.equal(frame.function, want.function, `${what}: function of frame ${at}`);
    if ('in_app' in want) assert.equal(frame.in_app, want.in_app, `${what}: whether frame ${at} is in the program`);
    if ('vars' in want) assert.deepEqual(frame.vars, want.vars, `${what}: variables of frame ${at}`);
    if (want.source) assertText(frame.context_line?.trim(), want.source, `${what}: source of frame ${at}`);
    assert.ok(frame.lineno > 0 && frame.filename, `${what}: place of frame ${at}`);
  }
}

/** What all of the programs send beside each error. */
function assertCommon(event, { sdk, service }, what) {
  const common = { release: event.release, environment: event.environment, user_id: event.user_id, email: event.user?.email, tenant: event.tags.tenant, lines: event.contexts.cart?.lines };
  assert.deepEqual(common, { release: 'shop@3.1.0', environment: 'canary', user_id: 'user-42', email: 'anna@shop.example', tenant: 'acme', lines: 3 }, what);
  assert.equal(event.sdk.name, sdk, what);
  assert.match(event.sdk.version, /^\d+\./, what);
  assert.equal(event.server_name, service ? 'app-7' : null, what);
}

function assertEvent(event, want, wants) {
  const what = `${want.type} ${want.value}`;
  assertCommon(event, wants, what);
  const error = event.exceptions.at(-1);
  for (const [name, wanted] of Object.entries({ mechanism: want.mechanism, logger: want.logger ?? null, message: want.message, transaction: want.transaction })) {
    if (wanted !== undefined) assert.equal(name === 'mechanism' ? error.mechanism?.type : event[name], wanted, `${what}: ${name}`);
  }
  if (want.chain) assert.deepEqual(event.exceptions.map(({ type }) => type), want.chain, what);
  if (want.crumbs) {
    const opened = event.breadcrumbs.find(({ category, message }) => category === 'cart' || message?.startsWith('stock of plates'));
    assert.ok(opened, `${what}: breadcrumbs ${JSON.stringify(event.breadcrumbs)}`);
  }
  for (const name of ['contexts', 'extra', 'request']) assert.deepEqual({ ...event[name], ...want[name] }, event[name] ?? {}, `${what}: ${name}`);
  assertFrames(event.frames, want.frames ?? [], what);
}

for (const wants of chooseCases(ERROR_CASES)) {
  test(wants.name, async () => {
    const { id: project, key } = server.project(wants.name);
    await execute(wants, `${server.url.replace('//', `//${key}@`)}/${project}`);
    const count = wants.issues.reduce((sum, issue) => sum + (issue.count ?? 1), 0);
    let issues = [];
    const arrived = async () => {
      ({ issues } = await server.ask('/issues', project));
      return issues.reduce((sum, issue) => sum + issue.count, 0) >= count;
    };
    const line = ({ type, value, count: times }) => `${times} ${type}: ${value}`;
    await eventually(`${count} events`, arrived).catch(({ message }) => assert.fail(`${message}; met:\n${issues.map(line).join('\n')}`));
    issues.sort((one, other) => one.first_seen.localeCompare(other.first_seen) || one.issue_id - other.issue_id);
    assert.equal(issues.length, wants.issues.length, issues.map(line).join('\n'));
    for (const [at, want] of wants.issues.entries()) {
      const issue = issues[at];
      const what = `issue ${at}: ${line(issue)}`;
      assert.equal(issue.type, want.type, what);
      assertText(issue.value, want.value, what);
      assert.deepEqual([issue.count, issue.handled, issue.level, issue.title], [want.count ?? 1, want.handled ?? null, want.level ?? 'error', want.title ?? issue.title], what);
      if (want.culprit) assertText(issue.culprit, want.culprit, what);
      const { events } = await server.ask(`/issues/${issue.issue_id}`, project);
      assert.equal(events.length, issue.count, what);
      for (const event of events) assert.ok(!JSON.stringify([event.frames.map(({ vars }) => vars), event.request]).includes('hunter2'), `${what}: no secret`);
      assertEvent(events[0], want, wants);
    }
    await assertLogs(wants.logs, issues[0].last_trace_id, project);
  });
}

async function assertLogs(wanted, trace, project) {
  if (wanted.length === 0) return;
  const { logs } = await eventually('log lines', async () => {
    const page = await server.ask(`/traces/${trace}/logs`, project);
    return page.logs.length >= wanted.length && page;
  });
  assert.deepEqual(logs.map(({ level, body }) => [level, body]), wanted);
}
