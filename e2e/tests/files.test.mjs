// Segments and exports are open files: DuckDB, Polars, pandas, pyarrow and PyIceberg read and filter them as they lie, and find what the API answers.
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

test('tools read and filter segments and exports, and agree with the API', async () => {
  server.command('demo', '--days', '2');
  const copy = path.join(folder, 'copy');
  server.command('backup', copy);
  // The demo's project.
  const project = 2;
  const file = path.join(folder, 'spans.parquet');
  server.command('export', '--project', String(project), '--out', file);
  const summary = await server.ask('/summary', project);
  const { out, err, status } = (() => {
    const { stdout, stderr, status } = spawnSync(pythonOf('files'), [path.join(programs, 'read_files.py'), copy, String(project), file], { encoding: 'utf8' });
    return { out: stdout, err: stderr, status };
  })();
  assert.equal(status, 0, err);
  const { segments, found, exported, filtered } = JSON.parse(out);
  assert.ok(segments > 0);
  assert.equal(filtered.length, 2);
  for (const rows of filtered) for (const [column, count] of Object.entries(rows)) assert.ok(count > 0, column);
  const tools = ['duckdb', 'polars', 'pandas', 'pyarrow'];
  assert.deepEqual([Object.keys(found), Object.keys(exported)], [tools, tools]);
  for (const [tool, sums] of [...Object.entries(found), ...Object.entries(exported)]) {
    const { cost, ...counts } = sums;
    const { spans, llm_calls: calls, input_tokens, output_tokens, traces } = summary;
    assert.deepEqual(counts, { spans, calls, input_tokens, output_tokens, traces }, tool);
    assert.ok(Math.abs(cost - summary.cost) < 1e-9, `${tool}: ${cost} and ${summary.cost}`);
  }
});
