//! Which metrics there are.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::otel_metric::MetricKind;
use rusqlite::{Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::ns;
use super::series_query::measures_of;

/// A metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OtelMetricSummary {
    /// Its name.
    pub name: String,
    /// Its unit as sent, such as `s`, `{token}`, `USD`; empty where none was sent.
    pub unit: String,
    /// `counter updown_counter gauge histogram summary`
    pub kind: String,
    /// What it is, in words; often empty.
    pub description: String,
    /// What its points say: `delta`, `cumulative`, `momentary`; several where programs differ.
    pub temporality: Vec<String>,
    /// What points are told apart by.
    pub attributes: Vec<String>,
    /// What those who report it are told apart by.
    pub reporter_attributes: Vec<String>,
    /// What can be drawn of it, the usual first.
    pub measures: Vec<&'static str>,
    /// Series with a point in the range.
    pub series: u64,
    /// The time of its last point.
    pub last_at: String,
}

/// The metrics with a point in a range, by name.
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
    select.query_map(params![project as i64, ns(from_us), ns(to_us)], metric)?.collect()
}
