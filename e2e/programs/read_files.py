"""Reads the segments of a data folder, or of a backup, as they lie, and files that `hinomi export` wrote, with the tools of docs/files.md.

    read_files.py FOLDER PROJECT [EXPORT.parquet]

Prints as JSON what each tool finds. Each filters in the reader, where it has one, so that a type that a tool reads but cannot filter is noticed."""

import datetime
import glob
import json
import sqlite3
import struct
import sys
import tempfile

import duckdb
import pandas
import polars
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog

KINDS = ["llm", "embedding"]


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
               sum(input_tokens) FILTER (counted), sum(output_tokens) FILTER (counted),
               sum(cost) FILTER (counted), count(DISTINCT trace_id)
        FROM spans"""
    return duckdb.execute(query, [[file for file, _ in files], project]).fetchone()


def with_polars(files, project):
    frames = []
    for file, dead in files:
        frame = polars.scan_parquet(file, row_index_name="row")
        frames.append(frame.filter(~polars.col("row").is_in(list(dead)) & (polars.col("project_id") == project)))
    spans = polars.concat(frames, how="diagonal")
    calls = spans.filter(polars.col("kind").is_in(KINDS) & polars.col("counted")).collect()
    sums = [calls[name].sum() for name in ("input_tokens", "output_tokens", "cost")]
    spans = spans.select("trace_id").collect()
    return (len(spans), len(calls), *sums, spans["trace_id"].n_unique())


def with_pandas(files, project):
    frames = []
    for file, dead in files:
        frame = pandas.read_parquet(file)
        frame = frame[~frame.index.isin(dead)]
        frames.append(frame[frame.project_id == project])
    spans = pandas.concat(frames)
    calls = spans[spans.kind.isin(KINDS) & spans.counted]
    sums = [calls[name].dropna().sum() for name in ("input_tokens", "output_tokens", "cost")]
    return (len(spans), len(calls), *sums, spans.trace_id.nunique())


def with_pyarrow(files, project):
    tables = []
    for file, dead in files:
        table = pyarrow.parquet.read_table(file)
        tables.append(table.filter(pyarrow.array([row not in dead for row in range(len(table))])))
    spans = pyarrow.concat_tables(tables, promote_options="default")
    spans = spans.filter(pyarrow.compute.field("project_id") == project)
    calls = spans.filter(pyarrow.compute.field("kind").isin(KINDS) & pyarrow.compute.field("counted"))
    sums = [pyarrow.compute.sum(calls[name]).as_py() for name in ("input_tokens", "output_tokens", "cost")]
    return (len(spans), len(calls), *sums, pyarrow.compute.count_distinct(spans["trace_id"]).as_py())


def filtered_by_reader(file):
    """Rows by filters of texts, times and money, each by pyarrow's reader, by pandas' and by pyiceberg's, which must agree with a filter in memory."""
    table = pyarrow.parquet.read_table(file)
    middle = table["start_time"][len(table) // 2].as_py()
    model = next(value for value in table["model"].to_pylist() if value)
    conditions = {"kind": "llm", "model": model, "trace_id": table["trace_id"][0].as_py()}
    rows = {name: sum(own == value for own in table[name].to_pylist()) for name, value in conditions.items()}
    rows["start_time"] = sum(own >= middle for own in table["start_time"].to_pylist())
    rows["cost"] = sum(own is not None and own > 0 for own in table["cost"].to_pylist())

    zero = pyarrow.scalar(0, table.schema.field("cost").type)
    filters = {name: pyarrow.compute.field(name) == value for name, value in conditions.items()}
    filters["start_time"] = pyarrow.compute.field("start_time") >= middle
    filters["cost"] = pyarrow.compute.field("cost") > zero
    data = pyarrow.dataset.dataset(file)
    assert rows == {name: data.count_rows(filter=filter) for name, filter in filters.items()}, "pyarrow.dataset"
    by_columns = {name: [(name, "==", value)] for name, value in conditions.items()} | {"start_time": [("start_time", ">=", middle)]}
    for name, filter in by_columns.items():
        assert rows[name] == len(pyarrow.parquet.read_table(file, filters=filter)), f"pyarrow.parquet, {name}"
        assert rows[name] == len(pandas.read_parquet(file, filters=filter)), f"pandas, {name}"

    with tempfile.TemporaryDirectory() as folder:
        catalog = SqlCatalog("files", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
        catalog.create_namespace("hinomi")
        spans = catalog.create_table("hinomi.spans", schema=table.schema)
        spans.add_files([f"file://{file}"])
        texts = {name: f"{name} == '{value}'" for name, value in conditions.items()}
        texts |= {"start_time": f"start_time >= '{middle.astimezone(datetime.UTC).isoformat()}'", "cost": "cost > 0"}
        found = {name: len(spans.scan(row_filter=text, selected_fields=(name,)).to_arrow()) for name, text in texts.items()}
        assert rows == found, f"pyiceberg: {found}, not {rows}"
    return rows


folder, project, exported = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
files = list(segments(folder))
assert [file for file, _ in files] == sorted(glob.glob(f"{folder}/segments/*.parquet")), "the manifest names what lies there"
names = ("spans", "calls", "input_tokens", "output_tokens", "cost", "traces")


def found(files):
    by_tool = {}
    for tool in (with_duckdb, with_polars, with_pandas, with_pyarrow):
        values = [float(value) if name == "cost" else int(value) for name, value in zip(names, tool(files, project))]
        by_tool[tool.__name__.removeprefix("with_")] = dict(zip(names, values))
    return by_tool


answer = {"segments": len(files), "dead": sum(len(dead) for _, dead in files), "found": found(files)}
answer["filtered"] = [filtered_by_reader(file) for file, _ in files[-1:]]
if exported:
    answer["exported"] = found([(exported[0], set())])
    answer["filtered"].append(filtered_by_reader(exported[0]))
print(json.dumps(answer))
