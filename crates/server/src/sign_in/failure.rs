//! Reasons why a sign-in with a provider or a proxy failed.

/// Reason why a sign-in failed. The page shows a text for each code; details are in the server's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInFailure {
    /// The provider did not answer, or not as the protocol requires.
    #[error("the provider cannot be used: {0}")]
    Provider(String),
    /// The provider rejects this server as a client.
    #[error("the provider rejects the client: {0}; check client_id, client_secret and the redirect URI")]
    Client(String),
    /// A token does not hold.
    #[error("the provider's token is not valid: {0}")]
    Token(&'static str),
    /// A token has expired already or is from the future.
    #[error("the provider's token is not valid at this time; check the clocks of this server and of the provider")]
    Clock,
    /// The response does not belong to a sign-in that this browser has started, or not any more.
    #[error("the sign-in was not started in this browser, has expired, or was completed before")]
    State,
    /// The person has to sign in at the provider.
    #[error("the person is not signed in at the provider")]
    LoginRequired,
    /// The person or the provider declined.
    #[error("the provider declined the sign-in: {0}")]
    Declined(String),
    /// The provider states no e-mail address.
    #[error("the provider states no e-mail address; request the scope `email`")]
    EmailMissing,
    /// The provider has not verified the e-mail address.
    #[error("the provider has not verified the e-mail address")]
    EmailUnverified,
    /// The domain of the e-mail address is not in `sign_in.email_domains`.
    #[error("the domain of the e-mail address is not allowed")]
    EmailDomain,
    /// There is no account with the e-mail address.
    #[error("the e-mail address is not invited")]
    NotInvited,
    /// The account is deactivated.
    #[error("account {0} is deactivated")]
    Deactivated(i64),
    /// The account with the e-mail address belongs to another identity.
    #[error("account {0} has the e-mail address and belongs to another identity of the provider; see `hinomi user unlink`")]
    LinkedToAnother(i64),
    /// No group of the person has a role.
    #[error("no group of the person has a role")]
    NoRole,
    /// The server failed.
    #[error("internal error")]
    Internal,
}

impl SignInFailure {
    /// Returns the code that the page and the audit log use.
    pub fn code(&self) -> &'static str {
        match self {
            SignInFailure::Provider(_) => "provider_unavailable",
            SignInFailure::Client(_) => "client_rejected",
            SignInFailure::Token(_) => "token_invalid",
            SignInFailure::Clock => "token_time",
            SignInFailure::State => "state_invalid",
            SignInFailure::LoginRequired => "login_required",
            SignInFailure::Declined(_) => "declined",
            SignInFailure::EmailMissing => "email_missing",
            SignInFailure::EmailUnverified => "email_unverified",
            SignInFailure::EmailDomain => "email_domain",
            SignInFailure::NotInvited => "not_invited",
            SignInFailure::Deactivated(_) => "deactivated",
            SignInFailure::LinkedToAnother(_) => "linked_to_another",
            SignInFailure::NoRole => "no_role",
            SignInFailure::Internal => "internal",
        }
    }

    /// Returns the ID of the account that the failure is about.
    pub fn account(&self) -> Option<i64> {
        match self {
            SignInFailure::Deactivated(account) | SignInFailure::LinkedToAnother(account) => Some(*account),
            _ => None,
        }
    }
}
