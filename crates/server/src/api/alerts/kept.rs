//! What rules and budgets are asked alike: to be listed, made, read, replaced, taken away, and to be quiet for a while.

/// The handlers of what is kept. A file that uses it has `Shown`, how one is shown, and `fn shown(&Alerts, Kept<_>) -> Shown`; `List` is made
/// here. `$what` is its name, `$all` and `$one` the paths.
macro_rules! handlers {
    ($what:literal, $kept:ty, $list_name:ident, $field:ident, $all:literal, $one:literal, $mute:literal,
     $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $quiet:ident) => {
        /// All of them.
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[schema(as = $list_name)]
        pub(in crate::api) struct List {
            $field: Vec<Shown>,
        }

        fn number(text: &str) -> Result<i64, ApiError> {
            text.parse().map_err(|_| ApiError::not_found($what))
        }

        #[doc = concat!("Lists ", $what, "s.")]
        #[utoipa::path(get, path = $all, tag = "alerts", params(("project" = u64, Path)), responses((status = 200, body = List)))]
        pub(in crate::api) async fn list(State_(api): State_<Arc<Api>>, of: Of) -> Result<Json<List>, ApiError> {
            let kept = with(&api, move |alerts| alerts.$list(of.project)).await?;
            Ok(Json(List { $field: kept.into_iter().map(|kept| shown(&api.alerts, kept)).collect() }))
        }

        #[doc = concat!("Makes a ", $what, ".")]
        #[utoipa::path(post, path = $all, tag = "alerts", params(("project" = u64, Path)), request_body = $kept,
            responses((status = 201, body = Shown), (status = 400, body = crate::api::error::Body)))]
        pub(in crate::api) async fn create(
            State_(api): State_<Arc<Api>>,
            of: Of,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<(StatusCode, Json<Shown>), ApiError> {
            of.caller.check_admin()?;
            let what = read(body)?;
            let kept = with(&api, move |alerts| alerts.$create(of.project, &what)).await?;
            Ok((StatusCode::CREATED, Json(shown(&api.alerts, kept))))
        }

        #[doc = concat!("One ", $what, ".")]
        #[utoipa::path(get, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
        pub(in crate::api) async fn get(
            State_(api): State_<Arc<Api>>,
            of: Of,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<Shown>, ApiError> {
            let id = number(&id)?;
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$get(of.project, id)).await?)))
        }

        #[doc = concat!("Puts another ", $what, " in its place. What is left out is at its default, as in a new one; its incidents stay.")]
        #[utoipa::path(put, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)), request_body = $kept,
            responses((status = 200, body = Shown), (status = 400, body = crate::api::error::Body), (status = 404, body = crate::api::error::Body)))]
        pub(in crate::api) async fn replace(
            State_(api): State_<Arc<Api>>,
            of: Of,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<$kept>, JsonRejection>,
        ) -> Result<Json<Shown>, ApiError> {
            of.caller.check_admin()?;
            let (id, what) = (number(&id)?, read(body)?);
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$replace(of.project, id, &what)).await?)))
        }

        #[doc = concat!("Takes a ", $what, " away. What it rang for stays, and is resolved.")]
        #[utoipa::path(delete, path = $one, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 204, description = "taken away"), (status = 404, body = crate::api::error::Body)))]
        pub(in crate::api) async fn delete(
            State_(api): State_<Arc<Api>>,
            of: Of,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<StatusCode, ApiError> {
            of.caller.check_admin()?;
            let id = number(&id)?;
            with(&api, move |alerts| alerts.$delete(of.project, id)).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        #[doc = concat!("Nobody is told of the ", $what, " for a while. It goes on measuring, and its incidents are kept.")]
        #[utoipa::path(post, path = $mute, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)), request_body = Quiet,
            responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
        pub(in crate::api) async fn mute(
            State_(api): State_<Arc<Api>>,
            of: Of,
            Path((_project, id)): Path<(String, String)>,
            body: Result<Json<Quiet>, JsonRejection>,
        ) -> Result<Json<Shown>, ApiError> {
            of.caller.check_admin()?;
            let (id, until_us) = (number(&id)?, read(body)?.until_us()?);
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$quiet(of.project, id, Some(until_us))).await?)))
        }

        #[doc = concat!("People are told of the ", $what, " again. What is still open and was kept quiet is told at once.")]
        #[utoipa::path(delete, path = $mute, tag = "alerts", params(("project" = u64, Path), ("id" = i64, Path)),
            responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
        pub(in crate::api) async fn unmute(
            State_(api): State_<Arc<Api>>,
            of: Of,
            Path((_project, id)): Path<(String, String)>,
        ) -> Result<Json<Shown>, ApiError> {
            of.caller.check_admin()?;
            let id = number(&id)?;
            Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.$quiet(of.project, id, None)).await?)))
        }
    };
}

pub(super) use handlers;
