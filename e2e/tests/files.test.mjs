// Segments are open files: DuckDB, Polars and pandas read them as they lie, and find what the API answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pythonOf, programs, startServer } from '../support.mjs';

let server;
let folder;
before(async () => {
  server = await startServer();
  folder = mkdtempSync(path.join(tmpdir(), 'hinomi-files-'));
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('three tools read the segments and agree with the API', async () => {
  server.command('demo', '--days', '2');
  const copy = path.join(folder, 'copy');
  server.command('backup', copy);
  // The demo's project.
  const project = 2;
  const summary = await server.ask('/summary', project);
  const { out, err, status } = (() => {
    const { stdout, stderr, status } = spawnSync(pythonOf('files'), [path.join(programs, 'read_files.py'), copy, String(project)], { encoding: 'utf8' });
    return { out: stdout, err: stderr, status };
  })();
  assert.equal(status, 0, err);
  const { segments, found } = JSON.parse(out);
  assert.ok(segments > 0);
  assert.deepEqual(Object.keys(found), ['duckdb', 'polars', 'pandas']);
  for (const [tool, sums] of Object.entries(found)) {
    const { cost, ...counts } = sums;
    const { spans, llm_calls: calls, input_tokens, output_tokens, traces } = summary;
    assert.deepEqual(counts, { spans, calls, input_tokens, output_tokens, traces }, tool);
    assert.ok(Math.abs(cost - summary.cost) < 1e-9, `${tool}: ${cost} and ${summary.cost}`);
  }
});
