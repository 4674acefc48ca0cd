//! Whether a caller sees the messages of a project: prompts, answers, tool arguments and results, attributes, error texts, local variables,
//! log lines and media.
//!
//! [`MessageVisibility::of`] is the only place that decides. Every response about a project passes through [`filter_answer`], which
//! removes every text that [`metadata_fields`] does not name, so a new route or field shows no message unless somebody lists it there.

mod answer_shapes;
mod metadata_fields;
mod view_records;

use std::sync::{Arc, LazyLock};

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hinomi_query::filter::{Filter, FilterFields};
use hinomi_tables::metadata::{AccountRole, MessageHiding};
use percent_encoding::percent_decode_str;

use super::auth::{ApiCaller, RequestOrigin};
use super::{ApiError, ApiState};
use answer_shapes::AnswerShapes;
pub(super) use answer_shapes::describe_hidden_fields;
use view_records::ViewRecords;

/// Prefix of the routes of a project.
const PROJECT_PREFIX: &str = "/api/v1/projects/{project}";

/// Prefix of the routes that share links open. Their handlers decide what the link shows, and add it to their response.
const SHARE_PREFIX: &str = "/api/v1/share/";

/// Routes that return or compare messages and nothing else.
const MESSAGE_ROUTES: [&str; 4] = ["/export", "/media/{media_id}", "/traces/{trace}/search", "/mapping/preview"];

/// Routes whose responses are streams of metadata.
const METADATA_STREAMS: [&str; 1] = ["/live"];

/// Query parameters that name the field whose values are returned or grouped by.
const FIELD_PARAMETERS: [&str; 3] = ["field", "by", "group_by"];

/// Whether a caller sees the messages of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum MessageVisibility {
    /// The project hides messages from nobody.
    Open,
    /// The project hides messages from others. The caller sees them, and that is recorded.
    Recorded,
    /// The caller sees no messages.
    Hidden,
}

impl MessageVisibility {
    /// Decides what callers with a role see in a project with a setting.
    pub(super) fn of(hiding: MessageHiding, role: AccountRole) -> MessageVisibility {
        match hiding {
            _ if hiding.hides_from(role) => MessageVisibility::Hidden,
            MessageHiding::Nobody => MessageVisibility::Open,
            _ => MessageVisibility::Recorded,
        }
    }

    pub(super) fn is_hidden(self) -> bool {
        self == MessageVisibility::Hidden
    }

    /// Checks a filter that is not in the address of a request.
    pub(super) fn check_filter(self, text: &str) -> Result<(), ApiError> {
        let reads_messages = Filter::parse_stored(text).is_ok_and(|filter| filter.reads_messages());
        if self.is_hidden() && reads_messages { Err(ApiError::messages_hidden()) } else { Ok(()) }
    }
}

/// What the layers around the routes of projects share.
#[derive(Debug)]
pub(super) struct VisibilityLayers {
    api: Arc<ApiState>,
    /// Read from the document when they are first needed, because most servers hide nothing.
    shapes: LazyLock<AnswerShapes, Box<dyn FnOnce() -> AnswerShapes + Send>>,
    views: ViewRecords,
}

impl VisibilityLayers {
    /// Creates the layers for the routes of an OpenAPI document.
    pub(super) fn new(api: Arc<ApiState>, description: Arc<utoipa::openapi::OpenApi>) -> Arc<VisibilityLayers> {
        let shapes = LazyLock::new(Box::new(move || AnswerShapes::new(&description)) as Box<dyn FnOnce() -> AnswerShapes + Send>);
        Arc::new(VisibilityLayers { api, shapes, views: ViewRecords::default() })
    }

    /// Returns what the caller of a request sees; `None` if the request is not about a project, or the caller has no role in it.
    async fn visibility(&self, route: &str, parts: &mut Parts) -> Option<(MessageVisibility, Option<ApiCaller>)> {
        let project = project_of(route, parts.uri.path())?;
        let hiding = self.api.meta.directory().projects.get(&project).map(|project| project.message_hiding);
        if hiding == Some(MessageHiding::Nobody) {
            return Some((MessageVisibility::Open, None));
        }
        let caller = ApiCaller::from_request_parts(parts, &self.api).await.ok()?;
        let role = caller.access.role_in(project)?;
        let hiding = match hiding {
            Some(hiding) => hiding,
            // One that another process has just made is not in memory yet.
            None => self.api.meta.project(project).ok()?.message_hiding,
        };
        Some((MessageVisibility::of(hiding, role), Some(caller)))
    }
}

/// Decides what the caller sees, before anything is computed or shared, and records who sees messages that are hidden from others.
pub(super) async fn decide(State(layers): State<Arc<VisibilityLayers>>, path: MatchedPath, request: Request, next: Next) -> Response {
    let route = path.as_str();
    if !route.starts_with(PROJECT_PREFIX) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let found = layers.visibility(route, &mut parts).await;
    let (method, address) = (parts.method.clone(), parts.uri.path().to_owned());
    let origin = RequestOrigin::of(&parts);
    if let Some((visibility, _)) = &found {
        parts.extensions.insert(*visibility);
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some((MessageVisibility::Recorded, Some(caller))) = found
        && response.status().is_success()
        && (MESSAGE_ROUTES.iter().any(|end| route.ends_with(end)) || layers.shapes.has_messages(&method, route))
    {
        layers.views.record(&layers.api, &caller, &origin, route, &address).await;
    }
    response
}

/// Rejects requests whose response would reveal hidden messages, and removes hidden messages from all other responses.
pub(super) async fn filter_answer(
    State(layers): State<Arc<VisibilityLayers>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let route = path.as_str().to_owned();
    if route.starts_with(SHARE_PREFIX) {
        let method = request.method().clone();
        let response = next.run(request).await;
        return match response.extensions().get::<MessageVisibility>() {
            Some(MessageVisibility::Open | MessageVisibility::Recorded) => response,
            Some(MessageVisibility::Hidden) | None => without_messages(&layers.shapes, &method, &route, response).await,
        };
    }
    if !route.starts_with(PROJECT_PREFIX) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let known = parts.extensions.get::<MessageVisibility>().copied();
    let visibility = match known {
        Some(known) => Some(known),
        None => layers.visibility(&route, &mut parts).await.map(|(found, _)| found),
    };
    match visibility {
        Some(MessageVisibility::Open | MessageVisibility::Recorded) => return next.run(Request::from_parts(parts, body)).await,
        Some(MessageVisibility::Hidden) if reveals_messages(&route, &parts) => return ApiError::messages_hidden().into_response(),
        // Without a role, the route itself answers. Should it answer with data, no message is in it.
        Some(MessageVisibility::Hidden) | None => {}
    }
    let method = parts.method.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    without_messages(&layers.shapes, &method, &route, response).await
}

/// Returns whether the response to a request depends on messages by its route or its parameters.
fn reveals_messages(route: &str, parts: &Parts) -> bool {
    if MESSAGE_ROUTES.iter().any(|end| route.ends_with(end)) {
        return true;
    }
    let Ok(Query(parameters)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else { return false };
    parameters.iter().any(|(name, value)| match name.as_str() {
        // An invalid filter is rejected by the route itself.
        "q" => [FilterFields::OF_SPANS, FilterFields::OF_LOG_LINES, FilterFields::OF_ERROR_EVENTS]
            .into_iter()
            .any(|fields| Filter::parse_with_fields(value, fields).is_ok_and(|filter| filter.reads_messages())),
        name => FIELD_PARAMETERS.contains(&name) && value.trim_start().starts_with("attr"),
    })
}

/// Removes messages from a response. A response of another form than the document states is not sent.
async fn without_messages(shapes: &AnswerShapes, method: &Method, route: &str, response: Response) -> Response {
    let status = response.status();
    if !status.is_success() || status == StatusCode::NO_CONTENT {
        return response;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("text/event-stream") && METADATA_STREAMS.iter().any(|end| route == format!("{PROJECT_PREFIX}{end}")) {
        return response;
    }
    let Some(shape) = shapes.of(method, route).filter(|_| content_type.starts_with("application/json")) else {
        return ApiError::messages_hidden().into_response();
    };
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let hidden = to_bytes(body, usize::MAX).await.map_err(ApiError::internal).and_then(|bytes| {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let mut value = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
        shapes.hide(&mut value, shape);
        serde_json::to_vec(&value).map_err(ApiError::internal)
    });
    match hidden {
        Ok(bytes) => {
            parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(error) => error.into_response(),
    }
}

/// Returns whether responses of a route pass through [`filter_answer`].
fn has_messages_of_a_project(route: &str) -> bool {
    route.starts_with(PROJECT_PREFIX) || route.starts_with(SHARE_PREFIX)
}

/// Returns the ID of the project in a path.
fn project_of(route: &str, path: &str) -> Option<u64> {
    parameter(route, path, "{project}")?.parse().ok()
}

/// Returns the value of a parameter of a route, decoded.
fn parameter(route: &str, path: &str, name: &str) -> Option<String> {
    let (_, value) = route.split('/').zip(path.split('/')).find(|(part, _)| *part == name)?;
    Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
}
