//! The tables of docs/clients/conventions.md say what the code does.

use std::fs;
use std::path::Path;

use hinomi_model::clock::DecodeContext;
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::normalize::attribute_names::SpanField;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::price::PriceBook;
use serde_json::json;

/// Returns the first and last cell of each row of the table below a heading.
fn rows(heading: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/clients/conventions.md");
    let text = fs::read_to_string(path).unwrap();
    let table = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = table.lines().filter(|line| line.starts_with("| `")).map(|line| line.trim_matches('|').split('|').collect::<Vec<_>>());
    let name = |cell: &str| cell.trim().trim_matches('`').to_owned();
    cells.map(|cells| (name(cells[0]), name(cells[cells.len() - 1]))).collect()
}

#[test]
fn each_attribute_of_the_document_is_read_as_the_field() {
    let attributes = rows("## Attributes of spans");
    assert!(attributes.len() > 30);
    for (attribute, field) in attributes {
        let read = SpanField::ALL.iter().filter(|known| known.names().contains(&attribute.as_str()));
        let fields: Vec<&str> = read.map(|known| known.as_str()).collect();
        assert!(fields.contains(&field.as_str()), "{attribute} is read as {fields:?}, and not as {field}");
    }
}

#[test]
fn each_operation_of_the_document_has_the_kind() {
    let operations = rows("## Operations");
    assert!(operations.len() > 10);
    let context = DecodeContext {
        received_us: 1_795_510_800_000_000,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    for (operation, kind) in operations {
        let attribute = json!({ "key": "gen_ai.operation.name", "value": { "stringValue": operation } });
        let span = json!({
            "traceId": "1".repeat(32), "spanId": "2".repeat(16), "name": operation, "startTimeUnixNano": "1795510000000000000",
            "endTimeUnixNano": "1795510001000000000", "attributes": [attribute],
        });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        let decoded = otlp::decode(body.to_string().into(), OtlpSignal::Traces, OtlpEncoding::Json, &context).unwrap();
        assert_eq!(decoded.spans[0].kind.as_str(), kind, "{operation}");
    }
}
