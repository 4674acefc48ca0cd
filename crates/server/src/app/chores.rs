//! Periodic work of the server until it stops: retention, use of keys, prices, probes of the store.

use super::*;
use crate::retention::TableExpiryFailure;

/// Runs the periodic work until the server stops.
pub(super) async fn run_chores(api: Arc<ApiState>, ingest_state: Arc<IngestState>) {
    let mut keys = tokio::time::interval(KEY_USE_INTERVAL);
    let mut prices = tokio::time::interval(PRICE_REFRESH_INTERVAL);
    // The first sweep is delayed: a start is busy, and an operator who started with wrong settings has time to notice.
    let mut retention =
        tokio::time::interval_at(tokio::time::Instant::now() + FIRST_SWEEP_DELAY.min(api.sweep_interval), api.sweep_interval);
    let mut audit = tokio::time::interval(AUDIT_HEAD_INTERVAL);
    let mut probe = tokio::time::interval(STORE_PROBE_INTERVAL);
    let data = api.data.clone();
    tokio::task::spawn_blocking(move || database::check_all_once(&data));
    finish_deletions(&api).await;
    loop {
        tokio::select! {
            () = api.shutdown.cancelled() => return,
            _ = probe.tick() => {
                api.store.retry_ingestion().await;
                if !database::failing_databases(&api.data).is_empty() {
                    let data = api.data.clone();
                    let _ = tokio::task::spawn_blocking(move || database::recheck_failing(&data)).await;
                }
            }
            _ = keys.tick() => {
                let (ingest_state, meta) = (ingest_state.clone(), api.meta.clone());
                let _ = tokio::task::spawn_blocking(move || write_last_uses(&ingest_state, &meta)).await;
            }
            _ = prices.tick() => {
                let prices = api.prices.clone();
                let _ = tokio::task::spawn_blocking(move || prices.refresh()).await;
                update_pause(&api);
                if retention::is_confirmed(&api.meta, &api.hold_tracker) {
                    delete_expired(&api).await;
                }
            }
            _ = audit.tick() => {
                let log = api.audit.clone();
                let _ = tokio::task::spawn_blocking(move || log_audit_head(&log)).await;
            }
            _ = retention.tick() => delete_expired(&api).await,
        }
    }
}

/// Writes the times at which keys, tokens and sessions were last used to the database.
pub(super) fn write_last_uses(ingest_state: &IngestState, meta: &MetadataStore) {
    ingest_state.note_used_keys();
    if let Err(error) = meta.write_credential_uses() {
        tracing::warn!(%error, "server.credential_usage.write_failed");
    }
}

/// Writes the head of the audit log to the server's log. If the server's log is sent to another machine, the head shows later whether the
/// audit log was cut or rewritten.
pub(super) fn log_audit_head(log: &AuditLog) {
    match log.head() {
        Ok(head) => tracing::info!(sequence = head.sequence, hash = %head.hash, "audit.head.reached"),
        Err(error) => tracing::error!(%error, "audit.head.read_failed"),
    }
}

/// Finishes deletions that a crash or a failure interrupted.
pub(super) async fn finish_deletions(api: &ApiState) {
    // When the server stops, they continue at the next start.
    if let Err(error) = retention::finish_interrupted(&api.retention_resources()).await
        && !api.shutdown.is_cancelled()
    {
        tracing::error!(%error, "erasure.subject.not_finished");
    }
}

/// Deletes what has expired.
pub(super) async fn delete_expired(api: &ApiState) {
    finish_deletions(api).await;
    match retention::delete_expired(&api.retention_resources()).await {
        _ if api.shutdown.is_cancelled() => {}
        Ok(failures) => failures.into_iter().for_each(|TableExpiryFailure { database, project, error }| {
            tracing::error!(%error, database, project, "retention.tables.failed");
        }),
        Err(error) => tracing::error!(%error, "retention.spans.failed"),
    }
}
