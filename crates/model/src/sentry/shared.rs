//! Properties of an event that apply to all of its spans: release, environment, user, tags.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{EnvelopeHeader, SentrySdk};
use super::lenient::{LenientTags, LenientText};
use crate::id::TraceId;
use crate::messages::{TextLimit, trim_text};
use crate::normalize::attribute_names::is_placeholder;
use crate::span::Span;

/// Maximum number of tags of one event.
const MAX_TAGS: usize = 100;

/// Properties that apply to each span of a transaction, and to each span of its trace in a container of the same envelope.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedEventContext {
    pub(super) trace_id: Option<TraceId>,
    pub(super) environment: Option<String>,
    pub(super) release: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) service: Option<String>,
    pub(super) sdk_name: Option<String>,
    pub(super) sdk_version: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Active integrations of the SDK.
    pub(super) integrations: Vec<String>,
    /// True if the SDK reports that it truncated texts of these spans.
    pub(super) texts_cut: bool,
}

/// Fields of an event that become a [`SharedEventContext`].
pub(super) struct SharedEventFields<'a> {
    pub(super) environment: LenientText<'a>,
    pub(super) release: LenientText<'a>,
    pub(super) server_name: LenientText<'a>,
    pub(super) user: Option<&'a RawValue>,
    pub(super) sdk: Option<&'a RawValue>,
    pub(super) tags: LenientTags,
    /// Sentry's notes on data that was removed from the event.
    pub(super) meta: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct SentryUser<'a> {
    #[serde(borrow, default)]
    id: LenientText<'a>,
    #[serde(borrow, default)]
    email: LenientText<'a>,
    #[serde(borrow, default)]
    username: LenientText<'a>,
}

/// Reads a part of an event; returns the default if it has the wrong shape.
pub(super) fn part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    // Serde would accept a list for the fields of a struct.
    let object = raw.map(RawValue::get).filter(|text| text.starts_with('{'));
    object.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Truncates a text that is copied to each span.
fn short(text: Option<String>) -> Option<String> {
    text.map(|mut text| {
        trim_text(&mut text, TextLimit::NAME_LIMIT);
        text
    })
}

impl SharedEventContext {
    pub(super) fn new(trace_id: Option<TraceId>, fields: SharedEventFields, header: &EnvelopeHeader) -> SharedEventContext {
        let user: SentryUser = part(fields.user);
        let sdk: SentrySdk = part(fields.sdk);
        let names = [user.id, user.email, user.username].into_iter().filter_map(|name| name.into_string());
        let user_id = names.into_iter().find(|name| !is_placeholder(name));
        SharedEventContext {
            trace_id,
            // Notes on attributes that contain inputs and outputs.
            texts_cut: fields.meta.is_some_and(|notes| ["gen_ai.", "ai."].iter().any(|name| notes.get().contains(&format!("\"{name}")))),
            environment: short(fields.environment.into_string()),
            release: short(fields.release.into_string()),
            user_id: short(user_id),
            service: short(fields.server_name.into_string()),
            integrations: sdk.integrations.and_then(|names| serde_json::from_str(names.get()).ok()).unwrap_or_default(),
            sdk_name: short(sdk.name.into_string().or_else(|| header.sdk_name.clone())),
            sdk_version: short(sdk.version.into_string().or_else(|| header.sdk_version.clone())),
            tags: fields
                .tags
                .0
                .into_iter()
                .take(MAX_TAGS)
                .filter_map(|(name, value)| Some((short(Some(name))?, short(Some(value))?)))
                .collect(),
        }
    }

    /// Returns the context of an envelope without a transaction.
    pub(super) fn of_header(header: &EnvelopeHeader) -> SharedEventContext {
        SharedEventContext {
            sdk_name: short(header.sdk_name.clone()),
            sdk_version: short(header.sdk_version.clone()),
            ..SharedEventContext::default()
        }
    }

    /// Sets the fields that the span itself does not have.
    pub(super) fn fill(&self, span: &mut Span) {
        let fill = |own: &mut Option<String>, shared: &Option<String>| {
            if own.is_none() {
                own.clone_from(shared);
            }
        };
        span.texts_cut |= self.texts_cut;
        fill(&mut span.environment, &self.environment);
        fill(&mut span.release, &self.release);
        fill(&mut span.user_id, &self.user_id);
        fill(&mut span.service, &self.service);
        fill(&mut span.sdk_name, &self.sdk_name);
        fill(&mut span.sdk_version, &self.sdk_version);
        for (name, value) in &self.tags {
            if !span.tags.contains_key(name) {
                span.tags.insert(name.clone(), value.clone());
            }
        }
    }
}
