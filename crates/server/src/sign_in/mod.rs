//! Signing in with an identity that somebody else manages.

mod group_roles;

pub use group_roles::roles_of_groups;
