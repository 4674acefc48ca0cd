//! Storing of scores that arrive with telemetry.

use hinomi_model::score::Score;
use hinomi_model::sentry::ASSOCIATED_EVENT;

use super::{IngestRejection, IngestState};

impl IngestState {
    /// Stores scores. Feedback on an error event without a trace of its own belongs to the trace of the event.
    pub(super) async fn store_scores(&self, project: u64, mut scores: Vec<Score>) -> Result<(), IngestRejection> {
        if scores.is_empty() {
            return Ok(());
        }
        let events: Vec<String> = scores.iter().filter_map(reported_event).collect();
        if !events.is_empty() {
            let traces = self.errors.traces_of_events(project, events).await?;
            for score in &mut scores {
                let trace = reported_event(score).and_then(|event| traces.get(&event).copied());
                score.target.trace_id = score.target.trace_id.or(trace);
            }
        }
        let store = self.scores.clone();
        let stored = tokio::task::spawn_blocking(move || store.store_scores(project, &scores)).await;
        stored.map_err(|_| IngestRejection::Stopping)?.map(drop).map_err(IngestRejection::from)
    }
}

/// Returns the ID of the error event to which a score without a trace belongs.
fn reported_event(score: &Score) -> Option<String> {
    let event = score.metadata.get(ASSOCIATED_EVENT).and_then(|event| event.as_str());
    event.filter(|_| score.target.trace_id.is_none()).map(|event| event.replace('-', "").to_ascii_lowercase())
}
