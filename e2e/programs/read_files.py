"""Reads the segments of a data folder, or of a backup, as they lie, with DuckDB, Polars and pandas, as docs/files.md says it is done. Prints what each finds."""

import glob
import json
import sqlite3
import struct
import sys

import duckdb
import pandas
import polars


def segments(folder):
    """The files that hold, and of each the numbers of the rows that do not."""
    manifest = sqlite3.connect(f"file:{folder}/manifest.db?mode=ro", uri=True)
    for number, dead in manifest.execute("SELECT id, dead FROM segments ORDER BY id"):
        yield f"{folder}/segments/{number:010}.parquet", {row for (row,) in struct.iter_unpack("<I", dead)}


def with_duckdb(files, project):
    duckdb.execute("CREATE OR REPLACE TABLE dead (file VARCHAR, row BIGINT)")
    for file, dead in files:
        if dead:
            duckdb.executemany("INSERT INTO dead VALUES (?, ?)", [[file, row] for row in dead])
    query = """
        WITH spans AS (
            SELECT * FROM read_parquet(?, filename = true, file_row_number = true, union_by_name = true) AS s
            WHERE project_id = ? AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.file = s.filename AND dead.row = s.file_row_number)
        )
        SELECT count(*), count(*) FILTER (kind IN ('llm', 'embedding') AND counted),
               sum(input_tokens) FILTER (kind IN ('llm', 'embedding') AND counted), sum(output_tokens) FILTER (kind IN ('llm', 'embedding') AND counted),
               sum(cost) FILTER (kind IN ('llm', 'embedding') AND counted), count(DISTINCT trace_id)
        FROM spans"""
    return duckdb.execute(query, [[file for file, _ in files], project]).fetchone()


def with_polars(files, project):
    frames = []
    for file, dead in files:
        frame = polars.read_parquet(file).with_row_index("row")
        frames.append(frame.filter(~polars.col("row").is_in(list(dead)) & (polars.col("project_id") == project)))
    spans = polars.concat(frames, how="diagonal")
    calls = spans.filter(polars.col("kind").is_in(["llm", "embedding"]) & polars.col("counted"))
    sums = [calls[name].sum() for name in ("input_tokens", "output_tokens", "cost")]
    return (len(spans), len(calls), *sums, spans["trace_id"].n_unique())


def with_pandas(files, project):
    frames = []
    for file, dead in files:
        frame = pandas.read_parquet(file)
        frame = frame[~frame.index.isin(dead)]
        frames.append(frame[frame.project_id == project])
    spans = pandas.concat(frames)
    calls = spans[spans.kind.isin(["llm", "embedding"]) & spans.counted]
    sums = [calls[name].dropna().sum() for name in ("input_tokens", "output_tokens", "cost")]
    return (len(spans), len(calls), *sums, spans.trace_id.nunique())


folder, project = sys.argv[1], int(sys.argv[2])
files = list(segments(folder))
assert [file for file, _ in files] == sorted(glob.glob(f"{folder}/segments/*.parquet")), "the manifest names what lies there"
names = ("spans", "calls", "input_tokens", "output_tokens", "cost", "traces")
found = {}
for tool in (with_duckdb, with_polars, with_pandas):
    values = [float(value) if name == "cost" else int(value) for name, value in zip(names, tool(files, project))]
    found[tool.__name__.removeprefix("with_")] = dict(zip(names, values))
print(json.dumps({"segments": len(files), "dead": sum(len(dead) for _, dead in files), "found": found}))
