//! Facts about the values of enums in the OpenAPI document, as the extension `x-facts` of their schemas: an object with the facts of each
//! value. Clients can use these facts to group and format values, and only need to add texts.

use std::collections::BTreeMap;

use hinomi_alerting::AlertMetric;
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::technical_tag::TechnicalTag;
use serde_json::{Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Name of the extension.
const FACTS: &str = "x-facts";

/// Adds the facts to the schemas of an OpenAPI document.
pub(super) fn add(document: &mut OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let all = [("AlertMetric", of_alert_metrics()), ("OutcomeReason", of_outcome_reasons()), ("TechnicalTag", of_technical_tags())];
    for (name, facts) in all {
        if let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(name) {
            object.extensions = Some(ExtensionsBuilder::new().add(FACTS, facts).build());
        }
    }
}

/// Returns facts about each metric: its unit, whether it is computed from spans, so that groups and comparisons apply, whether a filter
/// selects what is measured, and whether it is a figure of scores, which have a name.
fn of_alert_metrics() -> Value {
    let facts = |metric: &AlertMetric| {
        let (of_spans, has_filter, of_scores) = (metric.is_computed_from_spans(), metric.has_filter(), metric.is_of_scores());
        (metric.name(), json!({ "unit": metric.unit(), "of_spans": of_spans, "has_filter": has_filter, "of_scores": of_scores }))
    };
    json!(AlertMetric::ALL.iter().map(facts).collect::<BTreeMap<_, _>>())
}

/// Returns the group of each reason.
fn of_outcome_reasons() -> Value {
    let facts = |reason: &OutcomeReason| (reason.as_str(), json!({ "group": reason.group() }));
    json!(OutcomeReason::ALL.iter().map(facts).collect::<BTreeMap<_, _>>())
}

/// Returns the tags, which have no facts besides their names.
fn of_technical_tags() -> Value {
    json!(TechnicalTag::ALL.iter().map(|tag| (tag.as_str(), json!({}))).collect::<BTreeMap<_, _>>())
}
