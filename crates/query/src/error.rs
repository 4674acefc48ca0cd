//! Errors of queries.

use std::error::Error;

use datafusion::error::DataFusionError;
use hinomi_store::StoreError;
use tokio::task::JoinError;

/// Reason why a query fails. Messages about mistakes in the request list the valid values.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Unknown sort.
    #[error("unknown sort {sort:?}; use one of {list}, with a leading - for descending order", list = known.join(" "))]
    BadSort {
        /// Sort as requested.
        sort: String,
        /// Valid sorts.
        known: Vec<&'static str>,
    },
    /// Unknown measure of a series.
    #[error("unknown measure {0:?}; use one of {list}", list = super::aggregate::measure::SeriesMeasure::names().join(" "))]
    BadMeasure(String),
    /// Unknown property to group by.
    #[error("cannot group by {0:?}; use one of {list}, or tag:NAME", list = super::aggregate::group_by::GroupBy::names().join(" "))]
    BadBy(String),
    /// Unknown bucket length.
    #[error("unknown bucket {0:?}; use one of {list}", list = super::aggregate::measure::BucketInterval::names().join(" "))]
    BadBucket(String),
    /// Unknown field in a filter.
    #[error("unknown field {0:?}; use one of {list}, tag, tag.NAME or attr.NAME", list = super::filter::FIELD_NAMES.join(" "))]
    BadField(String),
    /// Term by scores or findings where they cannot be looked up.
    #[error("{0}: scores and findings cannot be used in this filter")]
    TargetField(String),
    /// Cursor that does not come from this list.
    #[error("cursor does not belong to this list; start again without a cursor")]
    BadCursor,
    /// Value in a filter that cannot be compared with the field.
    #[error("{field}: {value:?} is not {wanted}")]
    BadValue {
        /// Name of the field.
        field: String,
        /// Value as requested.
        value: String,
        /// Description of a valid value.
        wanted: &'static str,
    },
    /// Filter with too many terms, stored before filters had a limit.
    #[error("the filter has too many terms ({0}); shorten it")]
    TooManyTerms(usize),
    /// Time range with too many buckets.
    #[error("the chart would have {0} points; use a longer bucket or a shorter time range")]
    TooManyPoints(i64),
    /// The client disconnected, and the query was cancelled.
    #[error("the client disconnected")]
    Gone,
    /// The store could not read its files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The query engine failed: a bug or a disk error.
    #[error("the query engine failed: {0}")]
    Engine(#[from] DataFusionError),
}

impl QueryError {
    /// Returns whether the request caused the error, so that the client can correct it.
    pub fn is_user_error(&self) -> bool {
        !matches!(self, QueryError::Engine(_) | QueryError::Store(_) | QueryError::Gone)
    }

    /// Returns whether the query needs more memory than the limit of queries allows.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, QueryError::Engine(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
    }

    /// Returns whether the query was cancelled because the server shuts down.
    pub fn is_shutdown(&self) -> bool {
        let QueryError::Engine(error) = self else { return false };
        if let DataFusionError::Execution(text) = error.find_root() {
            // DataFusion keeps only the text of a task that ended without a panic, which means that it was cancelled.
            return text.starts_with("Non Panic Task error");
        }
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        std::iter::from_fn(|| {
            let current = cause?;
            cause = current.source();
            Some(current)
        })
        .filter_map(|cause| cause.downcast_ref::<JoinError>().or_else(|| cause.downcast_ref::<Box<JoinError>>().map(AsRef::as_ref)))
        .any(JoinError::is_cancelled)
    }

    /// Returns whether an unreadable file may be the cause.
    pub fn is_file_error(&self) -> bool {
        use DataFusionError as E;
        match self {
            QueryError::Store(_) => true,
            QueryError::Engine(error) => {
                matches!(error.find_root(), E::ParquetError(_) | E::ArrowError(..) | E::IoError(_) | E::ObjectStore(_) | E::External(_))
            }
            _ => false,
        }
    }
}

impl From<JoinError> for QueryError {
    fn from(error: JoinError) -> QueryError {
        QueryError::Engine(DataFusionError::External(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::parquet::errors::ParquetError;
    use datafusion::physical_plan::stream::RecordBatchReceiverStream;
    use futures::StreamExt;

    use super::*;

    async fn cancelled() -> JoinError {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await.unwrap_err()
    }

    #[tokio::test]
    async fn cancellation_at_shutdown_is_not_a_failure() {
        assert!(QueryError::from(cancelled().await).is_shutdown());
        let nested = DataFusionError::ExecutionJoin(Box::new(cancelled().await));
        assert!(QueryError::Engine(DataFusionError::Context("sorting".to_owned(), Box::new(nested))).is_shutdown());
        let reading = object_store::Error::from(cancelled().await);
        let reading = DataFusionError::ParquetError(Box::new(ParquetError::External(Box::new(reading))));
        assert!(QueryError::Engine(reading).is_shutdown());
    }

    #[tokio::test]
    async fn faults_are_failures() {
        let panicked = tokio::spawn(async { panic!("a fault") });
        assert!(!QueryError::from(panicked.await.unwrap_err()).is_shutdown());
        assert!(!QueryError::Engine(DataFusionError::Internal("a fault".to_owned())).is_shutdown());
        assert!(!QueryError::Engine(DataFusionError::Execution("a fault".to_owned())).is_shutdown());
    }

    #[test]
    fn a_stream_whose_runtime_ends_is_cancelled() {
        let ending = tokio::runtime::Runtime::new().unwrap();
        let mut stream = ending.block_on(async {
            let mut builder = RecordBatchReceiverStream::builder(Arc::new(Schema::empty()), 1);
            let sender = builder.tx();
            builder.spawn(async move {
                std::future::pending::<()>().await;
                drop(sender);
                Ok(())
            });
            builder.build()
        });
        ending.shutdown_background();
        let reading = tokio::runtime::Runtime::new().unwrap();
        let error = reading.block_on(stream.next()).unwrap().unwrap_err();
        assert!(QueryError::Engine(error).is_shutdown());
    }
}
