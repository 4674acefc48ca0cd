//! Reasons of outcomes. Clients report reasons of their own, which are any text.

use serde::{Deserialize, Serialize};

use crate::span::names;

names!(
    /// Reason that the server records. The reasons are in the order of their names.
    OutcomeReason {
        /// Attributes that the client removed because of its limit.
        AttributeLimit = "attribute_limit",
        /// The body ended early.
        BodyBrokenOff = "body_broken_off",
        /// The content type is not supported.
        ContentType = "content_type",
        /// The body cannot be decompressed.
        DamagedBody = "damaged_body",
        /// The disk of the server is full.
        DiskFull = "disk_full",
        /// A header differs between envelope and request.
        DsnMismatch = "dsn_mismatch",
        /// The item was stored before.
        Duplicate = "duplicate",
        /// Events of a span that the client removed because of its limit.
        EventLimit = "event_limit",
        /// The event has no body.
        EventWithoutBody = "event_without_body",
        /// The event has no type.
        EventWithoutType = "event_without_type",
        /// A fault in the server.
        Fault = "fault",
        /// The request was forwarded to a server that it has passed before.
        ForwardLoop = "forward_loop",
        /// The request has no key and addresses another host than this machine.
        HostWithoutKey = "host_without_key",
        /// The time is in the future.
        InTheFuture = "in_the_future",
        /// The batch cannot be read.
        InvalidBatch = "invalid_batch",
        /// The buckets of the histogram are not valid.
        InvalidBuckets = "invalid_buckets",
        /// The envelope cannot be read.
        InvalidEnvelope = "invalid_envelope",
        /// The frame of the gRPC message does not match the body.
        InvalidGrpcFrame = "invalid_grpc_frame",
        /// The ID is not valid.
        InvalidId = "invalid_id",
        /// The item is not valid JSON, or has another form.
        InvalidJson = "invalid_json",
        /// The name is missing or not valid.
        InvalidName = "invalid_name",
        /// The request is not the message that its path takes.
        InvalidOtlp = "invalid_otlp",
        /// The item is not valid protobuf.
        InvalidProtobuf = "invalid_protobuf",
        /// The score is not valid.
        InvalidScore = "invalid_score",
        /// The span ID is missing or not valid.
        InvalidSpanId = "invalid_span_id",
        /// The time is missing or not valid.
        InvalidTimestamp = "invalid_timestamp",
        /// The trace ID is missing or not valid.
        InvalidTraceId = "invalid_trace_id",
        /// The value is missing or not valid.
        InvalidValue = "invalid_value",
        /// The envelope item has another number of spans than its header says.
        ItemCountMismatch = "item_count_mismatch",
        /// The item became part of a stored span.
        Joined = "joined",
        /// The key was replaced and is no longer valid.
        KeyExpired = "key_expired",
        /// The key belongs to another project.
        KeyOfOtherProject = "key_of_other_project",
        /// The key has used up its bytes of the day.
        KeyQuota = "key_quota",
        /// The key has used up its items of the minute.
        KeyRateLimit = "key_rate_limit",
        /// Links of a span that the client removed because of its limit.
        LinkLimit = "link_limit",
        /// The log line belongs to no trace. Versions before the list of logs dropped such lines.
        LogWithoutTrace = "log_without_trace",
        /// The key is malformed.
        MalformedKey = "malformed_key",
        /// The project has too many bytes of media.
        MediaQuota = "media_quota",
        /// The image, audio or file is too large.
        MediaTooLarge = "media_too_large",
        /// The message belongs to no span.
        MessageWithoutSpan = "message_without_span",
        /// The request has no key.
        MissingKey = "missing_key",
        /// The request has different keys.
        MultipleKeys = "multiple_keys",
        /// The point of the metric has no value.
        NoRecordedValue = "no_recorded_value",
        /// Items of this kind are not stored.
        NotKept = "not_kept",
        /// The record is about the internals of a coding agent.
        NotLlmTelemetry = "not_llm_telemetry",
        /// Items of this form are not supported.
        NotSupported = "not_supported",
        /// The key does not admit pages of this origin.
        OriginNotAllowed = "origin_not_allowed",
        /// Rare reasons that are not counted separately.
        Other = "other",
        /// The server is overloaded.
        Overloaded = "overloaded",
        /// A page in a browser sent the request without a key.
        PageWithoutKey = "page_without_key",
        /// The project is disabled.
        ProjectDisabled = "project_disabled",
        /// The version of the protocol is not supported.
        ProtocolVersion = "protocol_version",
        /// The request came through a proxy without a key.
        ProxyWithoutKey = "proxy_without_key",
        /// The error was reported before in another way.
        SameError = "same_error",
        /// The client samples its traces.
        SampleRate = "sample_rate",
        /// The score has no name.
        ScoreWithoutName = "score_without_name",
        /// The score has no target: no trace, conversation, dataset item or experiment.
        ScoreWithoutTrace = "score_without_trace",
        /// The score has no value.
        ScoreWithoutValue = "score_without_value",
        /// The server was stopping.
        Stopping = "stopping",
        /// The item could not be written.
        StorageFailed = "storage_failed",
        /// The item was stored.
        Stored = "stored",
        /// The body is too large.
        TooLarge = "too_large",
        /// The histogram has too many buckets.
        TooManyBuckets = "too_many_buckets",
        /// The body is compressed too many times.
        TooManyEncodings = "too_many_encodings",
        /// The request has too many items.
        TooManyItems = "too_many_items",
        /// The trace has too many log lines.
        TooManyLogs = "too_many_logs",
        /// The project has too many metrics.
        TooManyMetrics = "too_many_metrics",
        /// The span has too many parts.
        TooManyPieces = "too_many_pieces",
        /// The project has too many new series of metrics.
        TooManySeries = "too_many_series",
        /// The time is before the retention period.
        TooOld = "too_old",
        /// The spans are too large to be stored.
        Unfit = "unfit",
        /// The client gave no reason.
        Unknown = "unknown",
        /// The compression of the body is not supported.
        UnknownEncoding = "unknown_encoding",
        /// The type of the event is unknown.
        UnknownEventType = "unknown_event_type",
        /// The type of the envelope item is unknown.
        UnknownItem = "unknown_item",
        /// The key is unknown.
        UnknownKey = "unknown_key",
        /// The kind of the metric is unknown.
        UnknownKind = "unknown_kind",
        /// The project is unknown.
        UnknownProject = "unknown_project",
        /// The temporality of the metric is unknown.
        UnknownTemporality = "unknown_temporality",
    }
);

names!(
    /// Group of reasons with the same remedy.
    OutcomeReasonGroup {
        /// The item was stored.
        Stored = "stored",
        /// The item was stored before.
        Repeated = "repeated",
        /// Items of this kind are not stored.
        NotKept = "not_kept",
        /// The key or project is unknown.
        UnknownKey = "unknown_key",
        /// The key is malformed.
        MalformedKey = "malformed_key",
        /// There is no key.
        MissingKey = "missing_key",
        /// The key is of another project, or the request has different keys.
        WrongKey = "wrong_key",
        /// A limit of the key was reached, the key has expired, or it does not admit the origin.
        KeyLimit = "key_limit",
        /// The project is disabled.
        ProjectDisabled = "project_disabled",
        /// The item or request is invalid.
        Unreadable = "unreadable",
        /// The server does not support the form of the request.
        Unsupported = "unsupported",
        /// The time is too old or in the future.
        Time = "time",
        /// The request is too large.
        TooLarge = "too_large",
        /// A limit of the server was reached.
        ServerLimit = "server_limit",
        /// The server could not store the item at that time.
        Unavailable = "unavailable",
        /// The client samples its traces.
        Sampled = "sampled",
        /// A limit of the client was reached.
        ClientLimit = "client_limit",
        /// Any other reason.
        Other = "other",
    }
);

impl OutcomeReason {
    /// Returns the group of the reason.
    pub const fn group(self) -> OutcomeReasonGroup {
        match self {
            OutcomeReason::Joined | OutcomeReason::Stored => OutcomeReasonGroup::Stored,
            OutcomeReason::Duplicate | OutcomeReason::SameError => OutcomeReasonGroup::Repeated,
            OutcomeReason::LogWithoutTrace
            | OutcomeReason::MessageWithoutSpan
            | OutcomeReason::NoRecordedValue
            | OutcomeReason::NotKept
            | OutcomeReason::NotLlmTelemetry
            | OutcomeReason::NotSupported
            | OutcomeReason::UnknownEventType
            | OutcomeReason::UnknownItem => OutcomeReasonGroup::NotKept,
            OutcomeReason::UnknownKey | OutcomeReason::UnknownProject => OutcomeReasonGroup::UnknownKey,
            OutcomeReason::MalformedKey => OutcomeReasonGroup::MalformedKey,
            OutcomeReason::HostWithoutKey | OutcomeReason::MissingKey | OutcomeReason::PageWithoutKey | OutcomeReason::ProxyWithoutKey => {
                OutcomeReasonGroup::MissingKey
            }
            OutcomeReason::DsnMismatch | OutcomeReason::KeyOfOtherProject | OutcomeReason::MultipleKeys => OutcomeReasonGroup::WrongKey,
            OutcomeReason::KeyExpired | OutcomeReason::KeyQuota | OutcomeReason::KeyRateLimit | OutcomeReason::OriginNotAllowed => {
                OutcomeReasonGroup::KeyLimit
            }
            OutcomeReason::ProjectDisabled => OutcomeReasonGroup::ProjectDisabled,
            OutcomeReason::DamagedBody
            | OutcomeReason::EventWithoutBody
            | OutcomeReason::EventWithoutType
            | OutcomeReason::InvalidBatch
            | OutcomeReason::InvalidBuckets
            | OutcomeReason::InvalidEnvelope
            | OutcomeReason::InvalidGrpcFrame
            | OutcomeReason::InvalidId
            | OutcomeReason::InvalidJson
            | OutcomeReason::InvalidName
            | OutcomeReason::InvalidOtlp
            | OutcomeReason::InvalidProtobuf
            | OutcomeReason::InvalidScore
            | OutcomeReason::InvalidSpanId
            | OutcomeReason::InvalidTimestamp
            | OutcomeReason::InvalidTraceId
            | OutcomeReason::InvalidValue
            | OutcomeReason::ItemCountMismatch
            | OutcomeReason::ScoreWithoutName
            | OutcomeReason::ScoreWithoutTrace
            | OutcomeReason::ScoreWithoutValue
            | OutcomeReason::UnknownKind
            | OutcomeReason::UnknownTemporality => OutcomeReasonGroup::Unreadable,
            OutcomeReason::ContentType
            | OutcomeReason::ForwardLoop
            | OutcomeReason::ProtocolVersion
            | OutcomeReason::TooManyEncodings
            | OutcomeReason::UnknownEncoding => OutcomeReasonGroup::Unsupported,
            OutcomeReason::InTheFuture | OutcomeReason::TooOld => OutcomeReasonGroup::Time,
            OutcomeReason::TooLarge => OutcomeReasonGroup::TooLarge,
            OutcomeReason::MediaQuota
            | OutcomeReason::MediaTooLarge
            | OutcomeReason::TooManyBuckets
            | OutcomeReason::TooManyItems
            | OutcomeReason::TooManyLogs
            | OutcomeReason::TooManyMetrics
            | OutcomeReason::TooManyPieces
            | OutcomeReason::TooManySeries
            | OutcomeReason::Unfit => OutcomeReasonGroup::ServerLimit,
            OutcomeReason::DiskFull
            | OutcomeReason::Fault
            | OutcomeReason::Overloaded
            | OutcomeReason::Stopping
            | OutcomeReason::StorageFailed => OutcomeReasonGroup::Unavailable,
            OutcomeReason::SampleRate => OutcomeReasonGroup::Sampled,
            OutcomeReason::AttributeLimit | OutcomeReason::EventLimit | OutcomeReason::LinkLimit => OutcomeReasonGroup::ClientLimit,
            OutcomeReason::BodyBrokenOff | OutcomeReason::Other | OutcomeReason::Unknown => OutcomeReasonGroup::Other,
        }
    }
}
