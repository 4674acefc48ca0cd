//! What rules and budgets are asked alike: to be listed, made, read, replaced, taken away, and to be quiet for a while.

/// The handlers of rules or budgets. A file that uses it has `$view`, what the API answers for one, and `fn shown(&AlertService, AlertRecord<_>)
/// -> $view`; `$list_name` is made here. `$what` is the word for one, `$all` and `$one` are the paths.
macro_rules! handlers {
    ($what:literal, $kept:ty, $view:ident, $list_name:ident, $field:ident, $all:literal, $one:literal, $mute:literal,
     $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $quiet:ident) => {
        /// All of them.
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub(in crate::api) struct $list_name {
            $field: Vec<$view>,
        }

        fn number(text: &str) -> Result<i64, ApiError> {
            text.parse().map_err(|_| ApiError::not_found($what))
        }

        #[doc = concat!("Lists ", $what, "s.")]
        #[utoipa::path(get, path = $all, tag = "alerts", params(("project" = u64, Path)), responses((status = 200, body = $list_name)))]
        pub(in crate::api) async fn list(State(api): State<Arc<ApiState>>, of: AuthorizedProject<Viewer>) -> Result<Json<$list_name>, ApiError> {
            let kept = with(&api, move |alerts| alerts.$list(of.project)).await?;
            Ok(Json($list_name { $field: kept.into_iter().map(|kept| shown(&api.alerts, kept)).collect() }))
        }

        #[doc = concat!("Makes a ", $what, ".")]
        #[utoipa::path(post, path = $all, tag = "alerts", params(("project" = u64, Path)), request_body = $kept,
            responses((status = 201, body = $view), (status = 400, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn create(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Member>,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<(StatusCode, Json<$view>), ApiError> {
            let what = read(body)?;
            let kept = with(&api, move |alerts| alerts.$create(of.project, &what)).await?;
            Ok((StatusCode::CREATED, Json(shown(&api.alerts, kept))))
        }

        #[doc = concat!("One ", $what, ".")]
        #[utoipa::path(get, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn get(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Viewer>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<$view>, ApiError> {
            let id = number(&id)?;
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$get(of.project, id)).await?)))
        }

        #[doc = concat!("Puts another ", $what, " in its place. What is left out is at its default, as in a new one; its incidents stay.")]
        #[utoipa::path(put, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)), request_body = $kept,
            responses((status = 200, body = $view), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn replace(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<Json<$view>, ApiError> {
            let (id, what) = (number(&id)?, read(body)?);
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$replace(of.project, id, &what)).await?)))
        }

        #[doc = concat!("Takes a ", $what, " away. What it rang for stays, and is resolved.")]
        #[utoipa::path(delete, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 204, description = "taken away"), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn delete(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<StatusCode, ApiError> {
            let id = number(&id)?;
            with(&api, move |alerts| alerts.$delete(of.project, id)).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        #[doc = concat!("Nobody is told of the ", $what, " for a while. It goes on measuring, and its incidents are kept.")]
        #[utoipa::path(post, path = $mute, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)), request_body = MuteRequest,
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn mute(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<MuteRequest>, JsonRejection>,
        ) -> Result<Json<$view>, ApiError> {
            let (id, until_us) = (number(&id)?, read(body)?.until_us()?);
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$quiet(of.project, id, Some(until_us))).await?)))
        }

        #[doc = concat!("People are told of the ", $what, " again. What is still open and was kept quiet is told at once.")]
        #[utoipa::path(delete, path = $mute, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 200, body = $view), (status = 404, body = crate::api::error::ErrorResponse)))]
        pub(in crate::api) async fn unmute(
            State(api): State<Arc<ApiState>>,
            of: AuthorizedProject<Member>,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<$view>, ApiError> {
            let id = number(&id)?;
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$quiet(of.project, id, None)).await?)))
        }
    };
}

pub(super) use handlers;
