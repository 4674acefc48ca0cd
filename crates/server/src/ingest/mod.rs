//! What comes in: who sent it, and what the bytes are once inflated.

pub mod auth;
pub mod body;
