//! A question that takes too long is given up. So is one whose client has gone: its work ends when nobody waits for the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Api, ApiError};

/// What is being asked.
#[derive(Debug, Default)]
pub struct Questions {
    /// Questions that are being answered.
    pub in_work: AtomicU64,
    /// Those so far whose clients went away before.
    pub left: AtomicU64,
}

/// A question, until it is dropped.
struct Question<'a> {
    of: &'a Questions,
    is_over: bool,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.of.in_work.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            self.of.left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Gives up what is only read. A change goes on to its end.
pub(super) async fn limited(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // The databases of a backup take as long as they are large.
    if request.method() != Method::GET || path == "/api/v1/backup" {
        return next.run(request).await;
    }
    api.questions.in_work.fetch_add(1, Ordering::Relaxed);
    let mut question = Question { of: &api.questions, is_over: false };
    let answer = tokio::time::timeout(api.query_timeout, next.run(request)).await;
    question.is_over = true;
    match answer {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(path, limit_ms = api.query_timeout.as_millis() as u64, "api.timeout");
            ApiError::timeout(api.query_timeout).into_response()
        }
    }
}
