//! Periodic work of the server until it stops: retention, use of keys, prices, probes of the store.

use super::*;
use crate::retention::TableExpiryFailure;

/// Runs the periodic work until the server stops.
pub(super) async fn chores(api: Arc<ApiState>, intake: Arc<IngestState>) {
    let mut keys = tokio::time::interval(KEYS_EVERY);
    let mut prices = tokio::time::interval(PRICES_EVERY);
    // The first sweep is delayed: a start is busy, and an operator who started with wrong settings has time to notice.
    let mut retention = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_SWEEP.min(api.retain_every), api.retain_every);
    let mut probe = tokio::time::interval(PROBE_EVERY);
    let data = api.data.clone();
    tokio::task::spawn_blocking(move || database::examine_all(&data));
    finish_deletions(&api).await;
    loop {
        tokio::select! {
            () = api.stop.cancelled() => return,
            _ = probe.tick() => {
                api.store.probe().await;
                if !database::failing(&api.data).is_empty() {
                    let data = api.data.clone();
                    let _ = tokio::task::spawn_blocking(move || database::recheck(&data)).await;
                }
            }
            _ = keys.tick() => {
                let (intake, meta) = (intake.clone(), api.meta.clone());
                let _ = tokio::task::spawn_blocking(move || note_used(&intake, &meta)).await;
            }
            _ = prices.tick() => {
                let prices = api.prices.clone();
                let _ = tokio::task::spawn_blocking(move || prices.refresh()).await;
                api.courier.set_paused(api.quiet_notifications || api.meta.get(PAUSED).is_some());
                if retention::is_confirmed(&api.meta, &api.holds) {
                    retain(&api).await;
                }
            }
            _ = retention.tick() => retain(&api).await,
        }
    }
}

/// Writes to the database when keys, tokens and sessions were last used.
pub(super) fn note_used(intake: &IngestState, meta: &MetadataStore) {
    intake.note_used_keys();
    if let Err(error) = meta.note_used_credentials() {
        tracing::warn!(%error, "server.credential_usage.write_failed");
    }
}

/// Finishes deletions that a crash or a failure interrupted.
pub(super) async fn finish_deletions(api: &ApiState) {
    // When the server stops, they continue at the next start.
    if let Err(error) = retention::finish(&api.places()).await
        && !api.stop.is_cancelled()
    {
        tracing::error!(%error, "erasure.subject.not_finished");
    }
}

/// Deletes what has expired.
pub(super) async fn retain(api: &ApiState) {
    finish_deletions(api).await;
    match retention::expire(&api.places()).await {
        _ if api.stop.is_cancelled() => {}
        Ok(failures) => failures.into_iter().for_each(|TableExpiryFailure { database, project, error }| {
            tracing::error!(%error, database, project, "retention.tables.failed");
        }),
        Err(error) => tracing::error!(%error, "retention.spans.failed"),
    }
}
