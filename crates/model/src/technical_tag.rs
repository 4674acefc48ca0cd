//! Tags that SDKs set automatically, on spans around a call.

use serde::{Deserialize, Serialize};

use crate::span::names;

names!(
    /// First word of the names of tags that SDKs set automatically. A tag has this name if its name is the word, or begins with the word
    /// and `.` or `_`.
    TechnicalTag {
        /// Browser of the user, such as `browser.name`.
        Browser = "browser",
        /// Device of the user, such as `device.family`.
        Device = "device",
        /// Whether an exception was caught.
        Handled = "handled",
        /// HTTP request, such as `http.status_code`.
        Http = "http",
        /// Level of an event.
        Level = "level",
        /// How an exception was caught.
        Mechanism = "mechanism",
        /// Operating system, such as `os.name`.
        Os = "os",
        /// Runtime of the program, such as `runtime.name`.
        Runtime = "runtime",
        /// Status of a span, such as `status_code`.
        Status = "status",
        /// Process that a span started, such as `subprocess.pid`.
        Subprocess = "subprocess",
        /// Thread in which a span ran, such as `thread.id`.
        Thread = "thread",
        /// Name of the transaction.
        Transaction = "transaction",
        /// Address of a request.
        Url = "url",
    }
);
