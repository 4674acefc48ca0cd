//! E-mail: one SMTP session, at a checked address.

use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::{ATTEMPT_TIMEOUT, DeliveryAttemptResult, DeliveryDisposition};
use crate::delivery::allowed_networks::AllowedNetworks;
use crate::delivery::channel::{ChannelConfiguration, NotificationChannel, SmtpSecurity};
use crate::delivery::notification::AlertNotification;
use crate::delivery::render;
use crate::delivery::trusted_certificates::TrustedCertificates;

/// Maximum length of an error text of the mail server, in characters.
const MAX_ERROR_TEXT_LENGTH: usize = 160;

pub(super) async fn send(
    notification: &AlertNotification,
    target: &NotificationChannel,
    allowed: &AllowedNetworks,
    trust: &TrustedCertificates,
) -> DeliveryAttemptResult {
    let mail = match render::mail(notification, target) {
        Ok(mail) => mail,
        Err(error) => return DeliveryAttemptResult { status: None, error: Some(error), disposition: DeliveryDisposition::GiveUp },
    };
    match send_mail(&mail, target, allowed, trust).await {
        Ok(refused) => DeliveryAttemptResult { status: Some(250), error: refused, disposition: DeliveryDisposition::Delivered },
        Err(ended) => ended,
    }
}

/// Sends the e-mail. Returns the recipients that the server rejected, if it accepted others.
async fn send_mail(
    mail: &lettre::Message,
    target: &NotificationChannel,
    allowed: &AllowedNetworks,
    trust: &TrustedCertificates,
) -> Result<Option<String>, DeliveryAttemptResult> {
    let ChannelConfiguration::Email { host, port, security, username, .. } = &target.configuration else {
        return Err(DeliveryAttemptResult::retry_result("the channel is not an e-mail channel"));
    };
    let port = port.unwrap_or(match security {
        SmtpSecurity::Tls => 465,
        SmtpSecurity::Starttls => 587,
        SmtpSecurity::None => 25,
    });
    let addresses = resolve_host(host, port, allowed).await?;
    let tls = || {
        let builder = TlsParameters::builder(host.clone());
        let builder = trust.mail_certificates().fold(builder, |builder, certificate| builder.add_root_certificate(certificate));
        builder.build().map_err(|error| failed_attempt("no trusted TLS connection", &error))
    };
    let own = ClientId::default();
    let immediate = if *security == SmtpSecurity::Tls { Some(tls()?) } else { None };
    let connecting = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(ATTEMPT_TIMEOUT), &own, immediate, None);
    let mut connection = connecting.await.map_err(|error| failed_attempt("cannot connect to the mail server", &error))?;
    if *security == SmtpSecurity::Starttls {
        connection.starttls(tls()?, &own).await.map_err(|error| failed_attempt("STARTTLS failed", &error))?;
    }
    if let Some(username) = username {
        let credentials = Credentials::new(username.clone(), target.secret.reveal().to_owned());
        let signed_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        signed_in.map_err(|error| failed_attempt("the mail server rejected the login; check user name and password", &error))?;
    }

    let envelope = mail.envelope();
    let begun = connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await;
    begun.map_err(|error| failed_attempt("the mail server rejected the sender", &error))?;
    let mut refused = Vec::new();
    for recipient in envelope.to() {
        match connection.command(Rcpt::new(recipient.clone(), Vec::new())).await {
            Ok(_) => {}
            Err(error) if error.is_permanent() => refused.push((recipient.to_string(), failed_attempt("", &error))),
            // Nothing has been sent yet, so a retry sends no duplicates.
            Err(error) => return Err(failed_attempt("the mail server temporarily rejected a recipient", &error)),
        }
    }
    if refused.len() == envelope.to().len() {
        let (address, ended) = refused.swap_remove(0);
        let error = format!("the mail server rejected the recipient {address}{}", ended.error.unwrap_or_default());
        return Err(DeliveryAttemptResult { error: Some(error), disposition: DeliveryDisposition::GiveUp, ..ended });
    }
    connection.command(Data).await.map_err(|error| failed_attempt("the mail server rejected the message", &error))?;
    let taken = connection.message(&mail.formatted()).await;
    taken.map_err(|error| DeliveryAttemptResult {
        disposition: if error.is_permanent() { DeliveryDisposition::GiveUp } else { DeliveryDisposition::Retry(None) },
        ..failed_attempt("the mail server rejected the message", &error)
    })?;
    // The server has accepted the e-mail; how the session ends does not matter.
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
    let names: Vec<_> = refused.into_iter().map(|(address, _)| address).collect();
    Ok((!names.is_empty()).then(|| format!("the mail server rejected {} and accepted the other recipients", names.join(", "))))
}

async fn resolve_host(host: &str, port: u16, allowed: &AllowedNetworks) -> Result<Vec<std::net::SocketAddr>, DeliveryAttemptResult> {
    let looking = tokio::net::lookup_host((host, port));
    let found = tokio::time::timeout(ATTEMPT_TIMEOUT, looking)
        .await
        .map_err(|_| DeliveryAttemptResult::retry_result("the DNS lookup of the mail server timed out"))?;
    let found: Vec<_> = found.map_err(|_| DeliveryAttemptResult::retry_result("mail server not found; check the host name"))?.collect();
    let kept = allowed.filter_permitted(found.iter().copied());
    if kept.is_empty() {
        let at = found.first().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
        let hint = "an administrator can allow the address with the setting notify.allow";
        return Err(DeliveryAttemptResult::retry_result(format!("the mail server is in a private network ({at}); {hint}")));
    }
    Ok(kept)
}

/// Returns the result of a failed attempt: what failed, and the error of the server or the system.
fn failed_attempt(what: &str, error: &lettre::transport::smtp::Error) -> DeliveryAttemptResult {
    let status = error.status().map(u16::from);
    let mut reason = error.to_string();
    if let Some(source) = std::error::Error::source(error)
        && !reason.contains(&source.to_string())
    {
        reason = format!("{reason}: {source}");
    }
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR_TEXT_LENGTH).collect();
    DeliveryAttemptResult { status, error: Some(format!("{what}: {reason}")), disposition: DeliveryDisposition::Retry(None) }
}
