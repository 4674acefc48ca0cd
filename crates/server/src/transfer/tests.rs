//! Tests that exported files of spans can be imported again.

use crate::test_spans::any_span;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::id::SpanId;
use hinomi_model::provenance::FieldSource;
use hinomi_store::rows::{SpanRow, to_batch};
use proptest::prelude::*;

use super::*;

/// Writes rows to a file and reads it back.
fn there_and_back(rows: &[SpanRow], format: SpanFileFormat) -> Vec<SpanRow> {
    let mut writer = SpanFileWriter::new(format).unwrap();
    let mut bytes = Vec::new();
    for part in rows.chunks(2) {
        bytes.extend(writer.write(&to_batch(part)).unwrap());
    }
    bytes.extend(writer.finish().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file").with_extension(format.extension());
    std::fs::write(&path, bytes).unwrap();
    let mut found = Vec::new();
    to_json_lines(&path, |lines, _| {
        found.extend(super::rows(lines, 1).map_err(anyhow::Error::msg)?);
        Ok(())
    })
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn spans_come_back_as_they_were(spans in proptest::collection::vec(any_span(), 0..5)) {
        let row = |(index, mut span): (usize, hinomi_model::span::Span)| {
            span.trace_id.0 |= 1;
            span.span_id.0 |= 1;
            span.start_us = index as i64;
            span.end_us = 1_700_000_000_000_000;
            SpanRow { project_id: 1, received_us: 5, span, local: None }
        };
        // The rows as the columns store them.
        let rows: Vec<SpanRow> = hinomi_store::rows::from_batch(&to_batch(&spans.into_iter().enumerate().map(row).collect::<Vec<_>>()));
        prop_assert_eq!(&there_and_back(&rows, SpanFileFormat::Jsonl), &rows);
        prop_assert_eq!(&there_and_back(&rows, SpanFileFormat::Parquet), &rows);
        // CSV does not distinguish an empty text from null.
        prop_assert_eq!(there_and_back(&rows, SpanFileFormat::Csv).len(), rows.len());
    }
}

#[test]
fn csv_import_restores_spans() {
    let span = hinomi_model::span::Span {
        trace_id: hinomi_model::id::TraceId(7),
        span_id: hinomi_model::id::SpanId(8),
        start_us: 1_700_000_000_000_001,
        end_us: 1_700_000_000_000_002,
        name: "a \"name\", with\nlines".into(),
        user_id: Some("=1+2".into()),
        tool_definitions: Some(serde_json::json!(-1.5)),
        ..Default::default()
    };
    let rows = vec![SpanRow { project_id: 1, received_us: 5, span, local: None }];
    let there = there_and_back(&rows, SpanFileFormat::Csv);
    assert_eq!(there[0].span.user_id, rows[0].span.user_id);
    assert_eq!((there[0].span.start_us, there[0].span.trace_id), (1_700_000_000_000_001, rows[0].span.trace_id));
    assert_eq!(there[0].span.name, rows[0].span.name);
    assert_eq!(there[0].span.tool_definitions, rows[0].span.tool_definitions);
}

#[test]
fn exports_of_earlier_versions_are_imported() {
    let because = "the same call as span 0000000000000009 below it";
    let reading = r#"[{"field":"provider","from":"the instrumentation"}]"#;
    let ids = ["00000000000000000000000000000007", "0000000000000008", "2026-11-23T10:00:00Z"];
    let dir = tempfile::tempdir().unwrap();
    let written = [
        (
            "jsonl",
            format!(
                r#"{{"trace_id":"{}","span_id":"{}","start_time":"{}","end_time":"{}","counted":false,"not_counted_because":"{because}","reading":{reading}}}"#,
                ids[0], ids[1], ids[2], ids[2]
            ),
        ),
        (
            "csv",
            format!(
                "trace_id,span_id,start_time,end_time,counted,not_counted_because,reading\n{},{},{},{},false,{because},\"{}\"\n",
                ids[0],
                ids[1],
                ids[2],
                ids[2],
                reading.replace('"', "\"\"")
            ),
        ),
    ];
    for (format, text) in written {
        let path = dir.path().join("file").with_extension(format);
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        to_json_lines(&path, |lines, _| {
            found.extend(super::rows(lines, 1).map_err(anyhow::Error::msg)?);
            Ok(())
        })
        .unwrap();
        let span = &found[0].span;
        assert_eq!(span.exclusion, Some(Exclusion::WrapsCall { span_id: SpanId(9) }), "{format}");
        assert_eq!(span.reading[0].source, FieldSource::Instrumentation, "{format}");
    }
}

#[test]
fn csv_cells_are_never_formulas() {
    let texts = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)|x", "\t=1", "\r=1", "'=1", "''-1", "'plain", "a=1", "'"];
    let span = |(index, text): (usize, &&str)| {
        let span = hinomi_model::span::Span {
            trace_id: hinomi_model::id::TraceId(7),
            span_id: hinomi_model::id::SpanId(index as u64 + 1),
            end_us: 1,
            name: (*text).into(),
            ..Default::default()
        };
        SpanRow { project_id: 1, received_us: 5, span, local: None }
    };
    let rows: Vec<SpanRow> = texts.iter().enumerate().map(span).collect();
    let bytes = SpanFileWriter::new(SpanFileFormat::Csv).unwrap().write(&to_batch(&rows)).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let cells: Vec<String> = reader.records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    for cell in &cells {
        let is_number = cell.parse::<f64>().is_ok();
        assert!(is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
    }
    for quoted in ["'=HYPERLINK(1)", "'+1", "'@SUM(A1)|x", "''=1", "'''-1", "'plain", "a=1", "'"] {
        assert!(cells.iter().any(|cell| cell == quoted), "{quoted}");
    }
    let back: Vec<String> = there_and_back(&rows, SpanFileFormat::Csv).into_iter().map(|row| row.span.name.to_string()).collect();
    assert_eq!(back, texts);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let line = r#"{"trace_id":"00000000000000000000000000000001","span_id":"0000000000000001","start_time":"2026-01-01T00:00:00Z","end_time":"2026-01-01T00:00:01Z""#;
    assert_eq!(rows(&format!("{line}}}\n\n{line},\"unknown\":1}}\n"), 1).unwrap().len(), 2);
    let said = |rest: &str| rows(&format!("{line}}}\n{line}{rest}\n"), 1).unwrap_err();
    assert!(said("").starts_with("line 2 is not a JSON object"));
    assert_eq!(said(",\"cost\":\"much\"}"), "line 2: cost is not an amount of dollars");
    assert_eq!(said(",\"counted\":1}"), "line 2: counted is not true or false");
    assert_eq!(said(",\"name\":1}"), "line 2: name is not a text");
    assert_eq!(rows("{}", 9).unwrap_err(), "line 9: trace_id is missing");
    assert!(rows(&format!("{}}}", line.replace("0001", "0000")), 1).unwrap_err().contains("that are not all zero"));
}
