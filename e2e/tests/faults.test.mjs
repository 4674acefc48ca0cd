// What was acknowledged survives a kill at any step, a power cut, which takes from the disk all that was not synced, and a disk that refuses;
// what was deleted stays deleted.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const FOLDER = new URL('../faults/', import.meta.url).pathname;
/** More are made by `CUTS=2000 KILLS=5000 make test-e2e`. */
const CUTS = process.env.CUTS ?? '200';
const KILLS = process.env.KILLS ?? '60';

const traced = spawnSync('strace', ['-f', '-qq', '-e', 'trace=fsync', 'true']);
const skip = traced.status === 0 ? false : 'strace may not trace here (in a container: run it with --cap-add SYS_PTRACE)';

function run(script, ...options) {
  const { status, stdout, stderr } = spawnSync('python3', [FOLDER + script, process.env.HINOMI, ...options], { encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

test('acknowledged data survives kills and power cuts', { skip }, (t) => {
  const { status, said } = run('power_cut.py', '--cuts', CUTS, '--kills', KILLS, '--seed', '7');
  t.diagnostic(said.trim());
  assert.equal(status, 0, said);
});

test('on a disk that ignores fsync, the check detects the loss', { skip }, () => {
  const { status, said } = run('power_cut.py', '--cuts', '6', '--seed', '3', '--deaf');
  assert.equal(status, 1, said);
  assert.match(said, /cuts, [1-9]\d* of them cost something/);
});

test('disk errors reject data, lose nothing acknowledged, and ingestion resumes where that is safe', { skip }, (t) => {
  const { status, said } = run('disk_errors.py');
  t.diagnostic(said.trim());
  assert.equal(status, 0, said);
});

test('acknowledged data survives mixed load with kills', (t) => {
  const { status, said } = run('soak.py', '--minutes', '0.5', '--every', '6', '--seed', '7');
  t.diagnostic(said.trim());
  assert.equal(status, 0, said);
});
