//! Permissions of routes. The argument of each handler after the state is an extractor that carries the required permission. A handler
//! without such an extractor cannot be registered. The OpenAPI document states the permission of each operation as `x-permission`.

use hinomi_tables::metadata::AccountRole;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

/// Permission that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoutePermission {
    /// No permission.
    Public,
    /// Permission to read.
    Viewer,
    /// Permission to work with rules, budgets, incidents and pins.
    Member,
    /// Permission to change settings, keys and prices, and to delete.
    Admin,
    /// Permission to manage users and groups as an identity provider, which only a SCIM token has.
    Provisioning,
}

impl RoutePermission {
    /// The value of `x-permission`.
    fn as_str(self) -> &'static str {
        match self {
            RoutePermission::Public => "public",
            RoutePermission::Viewer => "viewer",
            RoutePermission::Member => "member",
            RoutePermission::Admin => "admin",
            RoutePermission::Provisioning => "provisioning",
        }
    }

    /// Returns the lowest role with the permission.
    pub(super) fn lowest_role(self) -> AccountRole {
        match self {
            RoutePermission::Public | RoutePermission::Viewer => AccountRole::Viewer,
            RoutePermission::Member => AccountRole::Member,
            RoutePermission::Admin => AccountRole::Admin,
            // Whoever creates such a token is an owner.
            RoutePermission::Provisioning => AccountRole::Owner,
        }
    }
}

/// An extractor that checks a permission, or the permission itself.
pub(super) trait RequiredPermission {
    const PERMISSION: RoutePermission;
}

/// Permission to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewer;

/// Permission to work with rules, budgets, incidents and pins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member;

/// Permission to change settings, keys and prices, and to delete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admin;

impl RequiredPermission for Viewer {
    const PERMISSION: RoutePermission = RoutePermission::Viewer;
}

impl RequiredPermission for Member {
    const PERMISSION: RoutePermission = RoutePermission::Member;
}

impl RequiredPermission for Admin {
    const PERMISSION: RoutePermission = RoutePermission::Admin;
}

/// A handler whose second argument checks a permission. `A` holds the types of its arguments.
pub(super) trait PermittedHandler<A> {
    const PERMISSION: RoutePermission;
}

macro_rules! permitted_handlers {
    ($(($($rest:ident),*))*) => {$(
        impl<F, R, S, P: RequiredPermission, $($rest),*> PermittedHandler<(S, P, $($rest),*)> for F
        where
            F: Fn(S, P, $($rest),*) -> R,
        {
            const PERMISSION: RoutePermission = P::PERMISSION;
        }
    )*};
}

permitted_handlers! { () (A) (A, B) (A, B, C) (A, B, C, D) }

/// The permission that a handler requires.
pub(super) fn permission_of<A, H: PermittedHandler<A>>(_: H) -> RoutePermission {
    H::PERMISSION
}

/// Adds the permission to the OpenAPI operation of a route, as `x-permission`.
pub(super) fn with_permission<S: Clone + Send + Sync + 'static>(
    mut route: UtoipaMethodRouter<S>,
    permission: RoutePermission,
) -> UtoipaMethodRouter<S> {
    for path in route.1.paths.values_mut() {
        for operation in operations(path) {
            let extensions = ExtensionsBuilder::new().add("x-permission", permission.as_str()).build();
            operation.extensions.get_or_insert_default().merge(extensions);
        }
    }
    route
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch].into_iter().filter_map(Option::as_mut)
}

/// Registers handlers with their descriptions and permissions.
macro_rules! permitted_routes {
    ($router:expr; $($module:ident :: $($handler:ident)::+),* $(,)?) => {
        $router$(.routes($crate::api::permission::with_permission(
            utoipa_axum::routes!($module::$($handler)::+),
            $crate::api::permission::permission_of($module::$($handler)::+),
        )))*
    };
}
pub(super) use permitted_routes;
