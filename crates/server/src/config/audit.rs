//! Settings of the audit log.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Settings of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Where the head of the log is sent: the path of a file, `syslog`, `syslog://HOST[:PORT]`, or the URL of a webhook; empty for nowhere.
    pub head_to: String,
    /// Seconds between two heads.
    pub head_every_s: u64,
    /// Number of days that entries are stored; 0 for no end.
    pub retention_days: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        AuditConfig { head_to: String::new(), head_every_s: 3600, retention_days: 0 }
    }
}

impl AuditConfig {
    /// Returns the name of a setting that cannot be used, and why.
    pub(super) fn mistake(&self, data: &Path) -> Option<(&'static str, &'static str)> {
        if self.head_every_s == 0 {
            return Some(("audit.head_every_s", "must be at least 1"));
        }
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if !self.head_to.is_empty() && absolute(Path::new(self.head_to.trim())).starts_with(absolute(data)) {
            return Some(("audit.head_to", "must not be in the data directory: whoever changes the log there can change the heads too"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_leave_the_data_directory() {
        let mistake =
            |head_to: &str| AuditConfig { head_to: head_to.into(), ..AuditConfig::default() }.mistake(Path::new("/var/lib/hinomi"));
        assert_eq!(mistake("/var/lib/hinomi/heads.jsonl").map(|(setting, _)| setting), Some("audit.head_to"));
        for fine in ["", "syslog", "/mnt/heads.jsonl", "/var/lib/hinomi-heads", "https://hooks.example/x"] {
            assert_eq!(mistake(fine), None, "{fine}");
        }
    }
}
