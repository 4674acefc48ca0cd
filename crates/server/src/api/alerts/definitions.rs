//! Operations that rules and budgets share: list, create, read, replace, delete and mute.

/// Defines the handlers of rules or budgets. The file that uses it defines the response type `$view` and `fn view_of(&AlertService,
/// AlertRecord<_>) -> $view`; the macro defines `$list_name`. `$what` is the noun for one item, `$all`, `$one` and `$mute` are the paths.
macro_rules! handlers {
    ($what:literal, $kept:ty, $view:ident, $list_name:ident, $field:ident, $all:literal, $one:literal, $mute:literal,
     $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $quiet:ident) => {
        /// Definitions of a project.
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub(in crate::api) struct $list_name {
            /// All definitions of the project, the oldest first.
            $field: Vec<$view>,
        }

        fn number(text: &str) -> Result<i64, ApiError> {
            text.parse().map_err(|_| ApiError::not_found($what))
        }

        /// Lists all definitions.
        #[utoipa::path(get, path = $all, summary = concat!("Lists the ", $what, "s of a project."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project.")), responses((status = 200, body = $list_name)))]
        pub(in crate::api) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Result<Json<$list_name>, ApiError> {
            let kept = run_blocking(&api, move |alerts| alerts.$list(authorized.project)).await?;
            Ok(Json($list_name { $field: kept.into_iter().map(|kept| view_of(&api.alerts, kept)).collect() }))
        }

        /// Creates a definition.
        #[utoipa::path(post, path = $all, summary = concat!("Creates a ", $what, "."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project.")), request_body = $kept,
            responses((status = 201, body = $view), (status = 400, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn create(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Member>,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<(StatusCode, Json<$view>), ApiError> {
            let what = parsed_body(body)?;
            let kept = run_blocking(&api, move |alerts| alerts.$create(authorized.project, &what)).await?;
            Ok((StatusCode::CREATED, Json(view_of(&api.alerts, kept))))
        }

        /// Returns a definition.
        #[utoipa::path(get, path = $one, summary = concat!("Returns a ", $what, " and its current state."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), ("id" = i64, Path, description = "ID of the rule or budget.")),
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn get(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Viewer>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<$view>, ApiError> {
            let id = number(&id)?;
            Ok(Json(view_of(&api.alerts, run_blocking(&api, move |alerts| alerts.$get(authorized.project, id)).await?)))
        }

        /// Replaces a definition.
        ///
        /// Fields that are omitted get their default value. Incidents are kept.
        #[utoipa::path(put, path = $one, summary = concat!("Replaces a ", $what, "."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), ("id" = i64, Path, description = "ID of the rule or budget.")), request_body = $kept,
            responses((status = 200, body = $view), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn replace(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<Json<$view>, ApiError> {
            let (id, what) = (number(&id)?, parsed_body(body)?);
            Ok(Json(view_of(&api.alerts, run_blocking(&api, move |alerts| alerts.$replace(authorized.project, id, &what)).await?)))
        }

        /// Deletes a definition.
        ///
        /// The incidents of the definition are kept, and open incidents are resolved.
        #[utoipa::path(delete, path = $one, summary = concat!("Deletes a ", $what, "."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), ("id" = i64, Path, description = "ID of the rule or budget.")),
            responses((status = 204, description = "Deleted."), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn delete(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<StatusCode, ApiError> {
            let id = number(&id)?;
            run_blocking(&api, move |alerts| alerts.$delete(authorized.project, id)).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        /// Mutes notifications.
        ///
        /// Evaluation continues, and incidents are still opened and resolved.
        #[utoipa::path(post, path = $mute, summary = concat!("Mutes the notifications of a ", $what, "."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), ("id" = i64, Path, description = "ID of the rule or budget.")), request_body = MuteRequest,
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn mute(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<MuteRequest>, JsonRejection>,
        ) -> Result<Json<$view>, ApiError> {
            let (id, until_us) = (number(&id)?, parsed_body(body)?.until_us()?);
            Ok(Json(view_of(&api.alerts, run_blocking(&api, move |alerts| alerts.$quiet(authorized.project, id, Some(until_us))).await?)))
        }

        /// Ends muting.
        ///
        /// Open incidents whose notifications were muted are notified immediately.
        #[utoipa::path(delete, path = $mute, summary = concat!("Unmutes the notifications of a ", $what, "."), tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), ("id" = i64, Path, description = "ID of the rule or budget.")),
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn unmute(
            State(api): State<Arc<ApiState>>,
            authorized: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<$view>, ApiError> {
            let id = number(&id)?;
            Ok(Json(view_of(&api.alerts, run_blocking(&api, move |alerts| alerts.$quiet(authorized.project, id, None)).await?)))
        }
    };
}

pub(super) use handlers;
