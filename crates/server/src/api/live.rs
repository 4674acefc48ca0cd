//! The live stream: notifies a page of new data, which the page then requests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive};
use hinomi_model::id::TraceId;

use hinomi_tables::{error_events, log_lines};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::permission::Viewer;
use super::streaming::streamed_events;
use super::{ApiError, ApiState};

/// Time for which changes are collected into one event, to limit the load of a busy project on the page.
const BATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Interval of keep-alive comments, which prevent proxies from closing the connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Interval at which the access of the caller is checked again, in addition to before each event.
const ACCESS_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of trace IDs in one event. A page that gets fewer IDs than spans reloads its data.
const MAX_TRACE_IDS: usize = 200;

/// Changes since the previous event.
#[derive(Debug, Default, Serialize, ToSchema)]
struct LiveUpdate {
    /// IDs of changed traces, at most 200.
    traces: BTreeSet<String>,
    /// Number of new spans.
    spans: usize,
    /// Number of new error events.
    errors: usize,
    /// Number of new log lines.
    logs: usize,
}

impl LiveUpdate {
    fn add_traces(&mut self, traces: &[TraceId]) {
        let room = MAX_TRACE_IDS.saturating_sub(self.traces.len());
        self.traces.extend(traces.iter().take(room).map(ToString::to_string));
    }
}

/// Reason for the end of waiting.
enum LiveStreamSignal {
    Change,
    Unrelated,
    End,
}

struct LiveStreamSubscriptions {
    project: u64,
    /// The request, with the credentials of the caller.
    request: Parts,
    api: Arc<ApiState>,
    spans: Receiver<hinomi_store::SpanStoreChange>,
    errors: Receiver<error_events::ErrorStoreChange>,
    logs: Receiver<log_lines::LogStoreChange>,
    stop: CancellationToken,
}

impl LiveStreamSubscriptions {
    /// Waits for a change, and adds it to `change` if it concerns the project.
    async fn next_signal(&mut self, change: &mut LiveUpdate) -> LiveStreamSignal {
        tokio::select! {
            () = self.stop.cancelled() => LiveStreamSignal::End,
            heard = self.spans.recv() => match heard {
                Ok(stored) if stored.project == self.project => {
                    change.add_traces(&stored.traces);
                    change.spans += stored.spans;
                    LiveStreamSignal::Change
                }
                Ok(_) => LiveStreamSignal::Unrelated,
                // Some were missed: the page asks for all it shows.
                Err(RecvError::Lagged(_)) => LiveStreamSignal::Change,
                Err(RecvError::Closed) => LiveStreamSignal::End,
            },
            heard = self.errors.recv() => match heard {
                Ok(stored) if stored.project == self.project => {
                    change.add_traces(&stored.traces);
                    change.errors += stored.errors;
                    LiveStreamSignal::Change
                }
                Ok(_) => LiveStreamSignal::Unrelated,
                Err(RecvError::Lagged(_)) => LiveStreamSignal::Change,
                Err(RecvError::Closed) => LiveStreamSignal::End,
            },
            heard = self.logs.recv() => match heard {
                Ok(stored) if stored.project == self.project => {
                    change.add_traces(&stored.traces);
                    change.logs += stored.lines;
                    LiveStreamSignal::Change
                }
                Ok(_) => LiveStreamSignal::Unrelated,
                Err(RecvError::Lagged(_)) => LiveStreamSignal::Change,
                Err(RecvError::Closed) => LiveStreamSignal::End,
            },
        }
    }

    /// Returns the next event; `None` when the server stops or the caller has lost access, for example because the session has ended.
    async fn next_permitted_event(&mut self) -> Option<LiveUpdate> {
        let (mut request, api) = (self.request.clone(), self.api.clone());
        let mut checks = tokio::time::interval(ACCESS_CHECK_INTERVAL);
        // One future for all checks: it holds the changes that it has collected.
        let waiting = self.next_event();
        tokio::pin!(waiting);
        let event = loop {
            tokio::select! {
                event = &mut waiting => break event?,
                _ = checks.tick() => {
                    if !has_access(&mut request, &api).await {
                        return None;
                    }
                }
            }
        };
        has_access(&mut request, &api).await.then_some(event)
    }

    /// Returns the next event: the changes within half a second of the first one.
    async fn next_event(&mut self) -> Option<LiveUpdate> {
        let mut change = LiveUpdate::default();
        loop {
            match self.next_signal(&mut change).await {
                LiveStreamSignal::Change => break,
                LiveStreamSignal::Unrelated => {}
                LiveStreamSignal::End => return None,
            }
        }
        let gathered = tokio::time::sleep(BATCH_INTERVAL);
        tokio::pin!(gathered);
        loop {
            tokio::select! {
                () = &mut gathered => return Some(change),
                heard = self.next_signal(&mut change) => if matches!(heard, LiveStreamSignal::End) { return Some(change) },
            }
        }
    }
}

async fn has_access(request: &mut Parts, api: &Arc<ApiState>) -> bool {
    AuthorizedProject::<Viewer>::from_request_parts(request, api).await.is_ok()
}

/// Streams changes of a project as server-sent events.
///
/// Events of type `change` carry `{"traces":[...],"spans":N,"errors":N,"logs":N}`: IDs of at most 200 changed traces, and the number of
/// new spans, error events and log lines. At most two events are sent per second. The stream ends when the caller loses access.
#[utoipa::path(get, path = "/projects/{project}/live", tag = "queries", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, content_type = "text/event-stream", body = LiveUpdate, description = "Events of type `change`.")))]
pub(super) async fn live(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    request: Parts,
) -> Result<impl IntoResponse, ApiError> {
    let (spans, errors, logs) = (api.store.changes(), api.errors.changes(), api.logs.changes());
    let stop = api.shutdown.clone();
    let ears = LiveStreamSubscriptions { project: authorized.project, request, api, spans, errors, logs, stop };
    let events = futures::stream::unfold(ears, |mut ears| async {
        let change = ears.next_permitted_event().await?;
        let event = Event::default().event("change").json_data(&change).unwrap_or_default();
        Some((Ok(event), ears))
    });
    // The first bytes tell a browser behind a proxy that the stream is open.
    let hello = futures::stream::once(async { Ok(Event::default().comment("hello")) });
    let events = futures::StreamExt::chain(hello, events);
    Ok(streamed_events(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL)))
}
