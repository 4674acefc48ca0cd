//! Periodic work of the server until it stops: retention, use of keys, prices, probes of the store.

use hinomi_tables::audit_log::{AuditActor, AuditLog};

use super::*;
use crate::audit_heads::{AuditHeadSender, AuditHeadTarget};
use crate::retention::TableExpiryFailure;
use crate::sign_in::roles_of_groups;

/// Interval at which a head of the audit log is sent again after a failure.
const HEAD_RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Settings of the periodic work.
#[derive(Debug, Clone)]
pub(super) struct ChoreSettings {
    /// Where the heads of the audit log are sent; `None` for the server's log only.
    pub(super) heads: Option<Arc<AuditHeadSender>>,
    pub(super) head_interval: Duration,
    /// Number of days that entries of the audit log are stored; 0 for no end.
    pub(super) audit_retention_days: u32,
}

impl ChoreSettings {
    pub(super) fn new(config: &Config, allowed: &AllowedNetworks, trust: &TrustedCertificates, public_url: &str) -> ChoreSettings {
        let heads = AuditHeadTarget::parse(&config.audit.head_to).map(|target| {
            tracing::info!(%target, "audit.head.target_configured");
            Arc::new(AuditHeadSender::new(target, allowed, trust, public_url.to_owned()))
        });
        ChoreSettings {
            heads,
            head_interval: Duration::from_secs(config.audit.head_every_s),
            audit_retention_days: config.audit.retention_days,
        }
    }
}

/// Runs the periodic work until the server stops.
pub(super) async fn run_chores(api: Arc<ApiState>, ingest_state: Arc<IngestState>, settings: ChoreSettings) {
    let mut keys = tokio::time::interval(KEY_USE_INTERVAL);
    let mut prices = tokio::time::interval(PRICE_REFRESH_INTERVAL);
    // The first sweep is delayed: a start is busy, and an operator who started with wrong settings has time to notice.
    let mut retention =
        tokio::time::interval_at(tokio::time::Instant::now() + FIRST_SWEEP_DELAY.min(api.sweep_interval), api.sweep_interval);
    tokio::spawn(send_audit_heads(api.clone(), settings.clone()));
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
                let api = api.clone();
                let _ = tokio::task::spawn_blocking(move || write_denial_surplus(&api, false)).await;
            }
            _ = prices.tick() => {
                let prices = api.prices.clone();
                let _ = tokio::task::spawn_blocking(move || prices.refresh()).await;
                update_pause(&api);
                if retention::is_confirmed(&api.meta, &api.hold_tracker) {
                    delete_expired(&api).await;
                }
            }
            _ = retention.tick() => {
                delete_expired(&api).await;
                expire_audit_log(&api, settings.audit_retention_days).await;
            }
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

/// Writes the head of the audit log to the server's log, and sends it to the target if there is one. Where it leaves the machine, it shows
/// later whether the audit log was cut or rewritten. Returns whether the target has it.
pub(super) fn log_audit_head(log: &AuditLog, sender: Option<&AuditHeadSender>) -> bool {
    let head = match log.head() {
        Ok(head) => head,
        Err(error) => {
            tracing::error!(%error, "audit.head.read_failed");
            return false;
        }
    };
    tracing::info!(sequence = head.sequence, hash = %head.hash, "audit.head.reached");
    let Some(sender) = sender else { return true };
    let sent = sender.send(&head);
    sent.inspect_err(|error| tracing::error!(error, target = %sender.target(), "audit.head.send_failed")).is_ok()
}

/// Sends heads of the audit log until the server stops. One that could not be sent is followed by another soon.
async fn send_audit_heads(api: Arc<ApiState>, settings: ChoreSettings) {
    loop {
        let (log, sender) = (api.audit.clone(), settings.heads.clone());
        let sent = tokio::task::spawn_blocking(move || log_audit_head(&log, sender.as_deref())).await.unwrap_or(false);
        let wait = if sent { settings.head_interval } else { settings.head_interval.min(HEAD_RETRY_INTERVAL) };
        tokio::select! {
            () = api.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Records how many denials of the minutes that have ended, or of all, have no entry of their own.
pub(super) fn write_denial_surplus(api: &ApiState, also_current: bool) {
    for event in api.denials.take_surplus(jiff::Timestamp::now().as_microsecond(), also_current) {
        if let Err(error) = api.audit.append(event) {
            tracing::error!(%error, "audit.entry.write_failed");
        }
    }
}

/// Deletes entries of the audit log that are older than its retention. A signed checkpoint remains.
async fn expire_audit_log(api: &Arc<ApiState>, days: u32) {
    if days == 0 {
        return;
    }
    let api = api.clone();
    let expire = move || {
        let before_us = jiff::Timestamp::now().as_microsecond() - i64::from(days) * 86_400_000_000;
        let actor = AuditActor { account_id: None, name: "retention".to_owned(), credential: String::new(), address: None };
        // Without this, the entry about the deletion would be the only reason for the next one.
        let is_due = api.audit.oldest_us()?.is_some_and(|oldest_us| oldest_us < before_us);
        let key = api.meta.audit_key()?;
        Ok::<u64, anyhow::Error>(if is_due { api.audit.expire(before_us, actor, &key)? } else { 0 })
    };
    match tokio::task::spawn_blocking(expire).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(entries)) => tracing::info!(entries, "audit.entries.expired"),
        Ok(Err(error)) => tracing::error!(%error, "audit.expiry.failed"),
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

/// Gives the members of groups their roles, which the configuration may have changed since the last start.
pub(super) fn apply_group_roles(api: &ApiState) -> anyhow::Result<()> {
    if api.group_roles.is_empty() {
        return Ok(());
    }
    let roles_of = |groups: &[String]| roles_of_groups(&api.group_roles, groups);
    let changed = api.meta.apply_group_roles(&api.meta.accounts_in_groups()?, roles_of)?;
    let actor =
        AuditActor { account_id: None, name: "sign_in.group_roles".to_owned(), credential: "configuration".to_owned(), address: None };
    for event in api::role_events(&actor, changed) {
        api.audit.append(event)?;
    }
    Ok(())
}
