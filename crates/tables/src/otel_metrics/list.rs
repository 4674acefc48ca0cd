//! Lists of metrics.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::otel_metric::{MetricKind, MetricTemporality};
use rusqlite::{Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::series_query::{OtelMetricMeasure, measures_of};
use super::us_to_ns;

/// An OpenTelemetry metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OtelMetricSummary {
    /// Name of the metric.
    pub name: String,
    /// Unit as the client sent it, such as `s`, `{token}` or `USD`; empty if it sent none.
    pub unit: String,
    /// `counter`, `updown_counter`, `gauge`, `histogram` or `summary`.
    #[schema(value_type = MetricKind)]
    pub kind: String,
    /// Description as the client sent it; often empty.
    pub description: String,
    /// Temporality of the points: `delta`, `cumulative` or `momentary`; more than one if clients differ.
    #[schema(value_type = Vec<MetricTemporality>)]
    pub temporality: Vec<String>,
    /// Names of the attributes of the points.
    pub attributes: Vec<String>,
    /// Names of the attributes of the programs that report the metric.
    pub reporter_attributes: Vec<String>,
    /// Measures that the metric supports, the default measure first.
    #[schema(value_type = Vec<OtelMetricMeasure>)]
    pub measures: Vec<&'static str>,
    /// Number of series with a point in the time range.
    pub series: u64,
    /// Time of the newest point (RFC 3339).
    pub last_at: String,
}

/// Returns the metrics with a point in a range, by name.
pub(super) fn list(transaction: &Transaction, project: u64, from_us: i64, to_us: i64) -> rusqlite::Result<Vec<OtelMetricSummary>> {
    let mut names = transaction.prepare_cached(
        "SELECT a.metric, a.name, a.own FROM attributes a JOIN metrics m ON m.id = a.metric WHERE m.project = ? ORDER BY a.name",
    )?;
    let mut attributes: BTreeMap<i64, [Vec<String>; 2]> = BTreeMap::new();
    let mut rows = names.query([project as i64])?;
    while let Some(row) = rows.next()? {
        let own: bool = row.get(2)?;
        attributes.entry(row.get(0)?).or_default()[usize::from(!own)].push(row.get(1)?);
    }
    let mut select = transaction.prepare_cached(
        "SELECT m.id, m.name, m.unit, m.kind, m.description, count(*), max(s.last_ns), group_concat(DISTINCT s.temporality)
         FROM metrics m JOIN series s ON s.metric = m.id
         WHERE m.project = ? AND s.last_ns >= ? AND s.first_ns < ? GROUP BY m.id ORDER BY m.name, m.unit, m.kind",
    )?;
    let metric = |row: &rusqlite::Row| {
        let [own, of_reporter] = attributes.get(&row.get(0)?).cloned().unwrap_or_default();
        let kind: String = row.get(3)?;
        let mut temporality: Vec<String> = row.get::<_, String>(7)?.split(',').map(str::to_owned).collect();
        temporality.sort();
        let measures = MetricKind::from_name(&kind).map(measures_of).unwrap_or_default();
        Ok(OtelMetricSummary {
            name: row.get(1)?,
            unit: row.get(2)?,
            description: row.get(4)?,
            temporality,
            attributes: own,
            reporter_attributes: of_reporter,
            measures: measures.iter().map(|measure| measure.as_str()).collect(),
            kind,
            series: row.get(5)?,
            last_at: rfc3339(row.get::<_, i64>(6)? / 1000),
        })
    };
    select.query_map(params![project as i64, us_to_ns(from_us), us_to_ns(to_us)], metric)?.collect()
}
