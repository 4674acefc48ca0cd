//! The model that answers for a requested model: a request for `gpt-4o` is answered by `gpt-4o-2024-08-06`. A failed call has no answering
//! model. Tables of models list a failed call under the model that answered most calls with the same requested model.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::{Expr, col, lit};
use hinomi_store::rollup::{MODEL_DIMENSION, REQUEST_MODEL_DIMENSION, STATUS_DIMENSION};

use super::group_by::GroupBy;
use super::rollup::{QueryGrouping, RollupCellRef};
use super::summary::is_call;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Status of a call that a model answered.
const ANSWERED_STATUS: &str = "ok";

/// For each requested model, the model that answered most of its calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnsweringModels(HashMap<String, String>);

impl AnsweringModels {
    /// Selects the most frequent answering model of each requested model; if several are equally frequent, the first by name.
    fn most_frequent(counts: HashMap<(String, String), u64>) -> AnsweringModels {
        let mut most: HashMap<String, (u64, String)> = HashMap::new();
        for ((requested, answered), calls) in counts {
            let candidate = (calls, answered);
            let is_better = |known: &(u64, String)| candidate.0 > known.0 || (candidate.0 == known.0 && candidate.1 < known.1);
            if most.get(&requested).is_none_or(is_better) {
                most.insert(requested, candidate);
            }
        }
        AnsweringModels(most.into_iter().map(|(requested, (_, answered))| (requested, answered)).collect())
    }

    /// Returns the model under which a call without an answer is listed; `None` if the call is listed under its own model.
    fn of(&self, status: Option<&str>, model: Option<&str>, requested: Option<&str>) -> Option<&str> {
        if status == Some(ANSWERED_STATUS) || model != requested {
            return None;
        }
        self.0.get(requested?).map(String::as_str)
    }

    /// Returns the model under which a cell of a roll-up is listed; `None` if the cell is listed under its own model.
    pub(crate) fn of_cell(&self, placed: &RollupCellRef) -> Option<&str> {
        self.of(placed.text(STATUS_DIMENSION), placed.text(MODEL_DIMENSION), placed.text(REQUEST_MODEL_DIMENSION))
    }

    /// Returns the model under which a row is listed.
    pub(crate) fn key(self: &Arc<Self>) -> Expr {
        let models = self.clone();
        let run = move |arguments: &[ColumnarValue]| {
            let columns = ColumnarValue::values_to_arrays(arguments)?;
            let [status, model, requested] = [0, 1, 2].map(|at: usize| columns[at].as_string_view());
            let value = |column: &'_ StringViewArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
            let mut keys = StringViewBuilder::with_capacity(model.len());
            for row in 0..model.len() {
                if status.is_valid(row) && status.value(row) == ANSWERED_STATUS {
                    keys.append_option(model.is_valid(row).then(|| model.value(row)));
                    continue;
                }
                let (status, model, requested) = (value(status, row), value(model, row), value(requested, row));
                keys.append_option(models.of(status.as_deref(), model.as_deref(), requested.as_deref()).or(model.as_deref()));
            }
            Ok(ColumnarValue::Array(Arc::new(keys.finish())))
        };
        // The engine treats functions with the same name as the same function.
        let name = format!("answering_model_{:p}", Arc::as_ptr(self));
        let function = create_udf(&name, vec![DataType::Utf8View; 3], DataType::Utf8View, Volatility::Immutable, Arc::new(run));
        function.call(vec![col("status"), col("model"), col("request_model")])
    }
}

impl ProjectSnapshot {
    /// Returns the property by which the totals of a scope are grouped. If it is the model, the answering model is used, which is
    /// determined from all calls in the time range of the scope, regardless of its filter.
    pub(crate) async fn grouping(&self, scope: &QueryScope, by: &GroupBy) -> Result<GroupBy, QueryError> {
        if *by != GroupBy::Column("model", "model") {
            return Ok(by.clone());
        }
        let range = QueryScope { filter: Filter::default(), ..scope.clone() };
        let mut counts: HashMap<(String, String), u64> = HashMap::new();
        if let Some(parts) = self.scope_cells(&range, QueryGrouping { with_requested_models: true, ..QueryGrouping::default() }).await? {
            for placed in parts.cells().filter(|placed| placed.is_call() && placed.text(STATUS_DIMENSION) == Some(ANSWERED_STATUS)) {
                if let Some((requested, answered)) = placed.text(REQUEST_MODEL_DIMENSION).zip(placed.text(MODEL_DIMENSION)) {
                    *counts.entry((requested.to_owned(), answered.to_owned())).or_default() += placed.spans();
                }
            }
        } else {
            let answered = is_call().and(col("status").eq(lit(ANSWERED_STATUS))).and(col("request_model").is_not_null());
            let table = self.table(ScanMode::MostRows, range.from_us, range.to_us)?.filter(answered)?;
            let table = table.aggregate(vec![col("request_model"), col("model")], vec![count(lit(1)).alias("calls")])?;
            for batch in table.collect().await? {
                let [requested, answered, calls] = ["request_model", "model", "calls"].map(|name| BatchColumn::of(&batch, name));
                for row in 0..batch.num_rows() {
                    if let Some(models) = requested.text(row).zip(answered.text(row)) {
                        *counts.entry(models).or_default() += calls.count(row);
                    }
                }
            }
        }
        Ok(GroupBy::AnsweringModel(Arc::new(AnsweringModels::most_frequent(counts))))
    }
}
