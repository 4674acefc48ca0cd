//! Expiry and erasure of OpenTelemetry metrics. Points are deleted with their series, and a metric with its last series.

use std::sync::Arc;

use super::{DATABASE, OtelMetricStore};
use crate::retained_rows::{ErasedRowKind, ExpiringRows, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention};

const OF_PROJECT: [RowSelection; 2] = [series("project = ?1"), RowSelection::new("metrics", "project = ?1")];

/// Users may be values of any attribute.
const OF_NAMES: [RowSelection; 2] = [
    series("project = ?1 AND EXISTS (SELECT 1 FROM json_each(series.attributes) WHERE value IN (SELECT id FROM temp.people))"),
    RowSelection::new("metrics", "project = ?1 AND NOT EXISTS (SELECT 1 FROM series WHERE metric = metrics.id)"),
];

const fn series(condition: &'static str) -> RowSelection {
    RowSelection::new("series", condition).counted_as(ErasedRowKind::Series)
}

static RULES: TableRetention = TableRetention {
    of_names: &OF_NAMES,
    expiring: Some(ExpiringRows {
        label: "metric series",
        table: "series",
        time_us: "last_ns / 1000",
        cutoff: |cutoffs| cutoffs.notable_trace_cutoff_us,
    }),
    ..TableRetention::new(DATABASE, &OF_PROJECT)
};

impl RetainedRows for OtelMetricStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        Box::pin(async move { self.delete_before(project, cutoffs.before_us).await })
    }
}
