//! Background jobs: long work that continues in the server when the client disconnects.
//!
//! A [`JobHandler`] does the work of one kind of job; a [`JobRegistry`] holds the handlers. The [`JobRunner`] does not depend on the kinds:
//! it takes jobs from the queue in `hinomi.db`, starts them within their limits, cancels them, and repeats attempts that failed
//! temporarily. A handler reads its task and saves its progress through a [`JobContext`].
//!
//! One job per project and kind runs at a time; other jobs wait. A job that was running when the server stopped continues after the next
//! start, from its last saved progress.

mod context;
mod handler;
mod queue;
mod rate_limit;
mod runner;
#[cfg(test)]
mod tests;
mod work_items;

pub use context::{JobContext, JobCounts, JobInterruption};
pub use handler::{JobError, JobHandler, JobLimits, JobRegistry};
pub use rate_limit::RateLimit;
pub use runner::JobRunner;
