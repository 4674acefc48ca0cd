//! Records in the audit log who sees messages that are hidden from others: once per person, trace and hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_model::langfuse;
use hinomi_tables::audit_log::AuditEvent;

use super::{PROJECT_PREFIX, parameter, project_of};
use crate::api::auth::{ApiCaller, RequestOrigin};
use crate::api::{ApiState, audit};

const HOUR_US: i64 = 3_600_000_000;

/// Maximum number of views that are remembered. Beyond it, a view may be recorded more often than once an hour.
const MAX_REMEMBERED_VIEWS: usize = 50_000;

/// What somebody saw: account, project, and the trace or the kind of list.
type ViewKey = (i64, u64, String);

/// Views of this hour.
#[derive(Debug, Default)]
pub(super) struct ViewRecords {
    hour_of_views: Mutex<HashMap<ViewKey, i64>>,
}

impl ViewRecords {
    /// Records a view unless the same one was recorded within this hour.
    pub(super) async fn record(&self, api: &Arc<ApiState>, caller: &ApiCaller, origin: &RequestOrigin, route: &str, path: &str) {
        let Some(project) = project_of(route, path) else { return };
        // The ID in hexadecimal digits, which contains nothing that a program wrote.
        let trace = parameter(route, path, "{trace}").map(|trace| langfuse::trace_id(&trace).to_string());
        let list = route.strip_prefix(PROJECT_PREFIX).unwrap_or_default().trim_start_matches('/').to_owned();
        let key = (caller.account.id, project, trace.clone().unwrap_or_else(|| list.clone()));
        if !self.is_first(key, jiff::Timestamp::now().as_microsecond() / HOUR_US) {
            return;
        }
        let event = AuditEvent { project: Some(project), ..AuditEvent::new(caller.audit_actor(origin), "messages.read") };
        let event = match trace {
            Some(trace) => event.detail("trace", trace),
            None => event.detail("list", list),
        };
        audit::record(api, event).await;
    }

    fn is_first(&self, key: ViewKey, hour: i64) -> bool {
        let mut views = self.hour_of_views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= MAX_REMEMBERED_VIEWS {
            views.retain(|_, seen| *seen == hour);
        }
        if views.len() >= MAX_REMEMBERED_VIEWS {
            views.clear();
        }
        views.insert(key, hour) != Some(hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_recorded_once_an_hour_for_each_person_and_trace() {
        let records = ViewRecords::default();
        let key = |account: i64, trace: &str| (account, 1, trace.to_owned());
        assert!(records.is_first(key(1, "a"), 5));
        assert!(!records.is_first(key(1, "a"), 5));
        assert!(records.is_first(key(2, "a"), 5) && records.is_first(key(1, "b"), 5));
        assert!(records.is_first(key(1, "a"), 6));
    }
}
