//! Why a question has no answer.

use datafusion::error::DataFusionError;
use hinomi_store::StoreError;

/// Why a question has no answer. Mistakes of the one who asks name what there is.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Rows cannot be sorted by this.
    #[error("unknown sort {sort:?}; use one of {list}, with a leading - for descending order", list = known.join(" "))]
    BadSort {
        /// As asked.
        sort: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// There is no such measure.
    #[error("unknown measure {0:?}; use one of {list}", list = super::aggregate::measure::SeriesMeasure::names().join(" "))]
    BadMeasure(String),
    /// Nothing can be broken down by this.
    #[error("cannot group by {0:?}; use one of {list}, or tag:NAME", list = super::aggregate::group_by::GroupBy::names().join(" "))]
    BadBy(String),
    /// There is no such bucket of time.
    #[error("unknown bucket {0:?}; use one of {list}", list = super::aggregate::measure::BucketInterval::names().join(" "))]
    BadBucket(String),
    /// There is no such field.
    #[error("unknown field {0:?}; use one of {list}, tag, tag.NAME or attr.NAME", list = super::filter::FIELDS.join(" "))]
    BadField(String),
    /// A cursor that this list did not give out.
    #[error("cursor does not belong to this list; start again without a cursor")]
    BadCursor,
    /// A bound that cannot be compared with the field.
    #[error("{field}: {value:?} is not {wanted}")]
    BadValue {
        /// The field.
        field: String,
        /// As asked.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A filter that was stored before filters had a limit.
    #[error("the filter has {0} terms, more than a query can have")]
    TooManyTerms(usize),
    /// The range has too many buckets.
    #[error("the chart would have {0} points; use a longer bucket or a shorter time range")]
    TooManyPoints(i64),
    /// Whoever asked has gone, so that it was not computed to the end.
    #[error("nobody waits for the answer any more")]
    Gone,
    /// What is stored could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own fault, or the disk's.
    #[error("the query engine failed: {0}")]
    Engine(#[from] DataFusionError),
}

impl QueryError {
    /// Whether the one who asks can put it right.
    pub fn is_users(&self) -> bool {
        !matches!(self, QueryError::Engine(_) | QueryError::Store(_) | QueryError::Gone)
    }

    /// Whether it needs more memory than there is for questions.
    pub fn is_of_memory(&self) -> bool {
        matches!(self, QueryError::Engine(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
    }

    /// Whether it was broken off because the server ends.
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

    /// Whether a file may be what could not be read.
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
