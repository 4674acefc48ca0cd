//! Errors of queries.

use datafusion::error::DataFusionError;
use hinomi_store::StoreError;

/// Reason for which a query fails. Messages about mistakes in the request list the valid values.
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
    #[error("unknown field {0:?}; use one of {list}, tag, tag.NAME or attr.NAME", list = super::filter::FIELDS.join(" "))]
    BadField(String),
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
    #[error("the filter has {0} terms, more than a query can have")]
    TooManyTerms(usize),
    /// Time range with too many buckets.
    #[error("the chart would have {0} points; use a longer bucket or a shorter time range")]
    TooManyPoints(i64),
    /// The client disconnected, and the query was cancelled.
    #[error("nobody waits for the answer any more")]
    Gone,
    /// The store could not read its files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The query engine failed: a bug or a disk error.
    #[error("the query engine failed: {0}")]
    Engine(#[from] DataFusionError),
}

impl QueryError {
    /// Returns whether the request is at fault, so the client can correct it.
    pub fn is_users(&self) -> bool {
        !matches!(self, QueryError::Engine(_) | QueryError::Store(_) | QueryError::Gone)
    }

    /// Returns whether the query needs more memory than the limit of queries allows.
    pub fn is_of_memory(&self) -> bool {
        matches!(self, QueryError::Engine(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
    }

    /// Returns whether the query was cancelled because the server shuts down.
    pub fn is_of_end(&self) -> bool {
        let cancelled = |error: &tokio::task::JoinError| error.is_cancelled();
        match self {
            QueryError::Engine(error) => match error.find_root() {
                DataFusionError::ExecutionJoin(join) => cancelled(join),
                DataFusionError::External(other) => other.downcast_ref().is_some_and(cancelled),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns whether an unreadable file may be the cause.
    pub fn is_of_files(&self) -> bool {
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

impl From<tokio::task::JoinError> for QueryError {
    fn from(error: tokio::task::JoinError) -> QueryError {
        QueryError::Engine(DataFusionError::External(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_that_a_stop_broke_off_is_told_from_one_that_failed() {
        let cancelled = tokio::spawn(std::future::pending::<()>());
        cancelled.abort();
        assert!(QueryError::from(cancelled.await.unwrap_err()).is_of_end());
        let panicked = tokio::spawn(async { panic!("a fault") });
        assert!(!QueryError::from(panicked.await.unwrap_err()).is_of_end());
        let inner = tokio::spawn(std::future::pending::<()>());
        inner.abort();
        let inner = DataFusionError::ExecutionJoin(Box::new(inner.await.unwrap_err()));
        assert!(QueryError::Engine(DataFusionError::Context("sorting".to_owned(), Box::new(inner))).is_of_end());
        assert!(!QueryError::Engine(DataFusionError::Internal("a fault".to_owned())).is_of_end());
    }
}
