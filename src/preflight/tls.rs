//! What a TLS handshake proves, and what its failure points to.

use jiff::Timestamp;
use probe::tls::{Class, Failure, Session};
use serde_json::json;

use super::check::{Judgement, Remedy};

/// Whether the handshake proves that the host itself answers.
pub fn judge(host: &str, result: Result<&Session, &Failure>) -> Judgement {
    let expected = format!("a certificate for {host} from an issuer that this machine trusts");
    let failure = match result {
        Ok(session) => {
            let issuer = session
                .certificate
                .as_ref()
                .map_or("an issuer that cannot be read", |shown| shown.issuer.as_str());
            let alpn = session.alpn.as_deref().unwrap_or("no ALPN");
            let seen = format!("{}, {alpn}, issued by {issuer}", session.version);
            return Judgement::pass(seen).expected(expected).evidence(json!(session));
        }
        Err(failure) => failure,
    };
    let shown = failure.certificate.as_ref();
    let issuer = shown.map_or_else(String::new, |shown| format!(" ({})", shown.issuer));
    let (seen, remedy) = match &failure.class {
        Class::UnknownIssuer => (
            format!("the certificate's issuer is not trusted{issuer}"),
            "if a proxy inspects TLS here, exempt this host from it; if this is your own authority, give its file in SSL_CERT_FILE (components then need it too)",
        ),
        Class::WrongName => {
            let names =
                shown.map_or_else(String::new, |shown| format!(" but for {}", shown.names.join(", ")));
            (
                format!("the certificate is not for this name{names}"),
                "the name points to another service's endpoint: compare the endpoint's service with the one that this host belongs to",
            )
        }
        Class::Expired => (
            shown.map_or_else(
                || "the certificate has expired".to_owned(),
                |shown| format!("the certificate expired at {}", shown.not_after),
            ),
            "check this machine's clock; if it is right, something else than Cast AI or AWS answers",
        ),
        Class::NotYetValid => ("the certificate is not valid yet".to_owned(), "check this machine's clock"),
        Class::TimedOut => (
            "the connection was taken, but the handshake got no answer".to_owned(),
            "look for a firewall that holds TLS back, and for a path MTU that drops large packets",
        ),
        Class::Reset => (
            "the connection was reset during the handshake".to_owned(),
            "look for a firewall that filters by server name (SNI), and allow this host in it",
        ),
        Class::NotTls => (
            "what answers does not speak TLS".to_owned(),
            "the name points to something that is not Cast AI or AWS: compare the address with the endpoint's network interfaces",
        ),
        Class::Refused(alert) => (
            format!("the server ended the handshake: {alert}"),
            "the server does not know this name: compare the endpoint's service with the one that this host belongs to",
        ),
        Class::Other(problem) => {
            (problem.clone(), "look for something between here and the endpoint that changes TLS")
        }
    };
    Judgement::fail(seen).expected(expected).evidence(json!(failure)).remedy(Remedy::text(remedy))
}

/// Whether the certificate stays valid for a while: half of the shortest usual time between renewals.
pub fn judge_expiry(session: &Session, now: Timestamp) -> Judgement {
    const TWO_WEEKS: i64 = 14 * 24 * 60 * 60;
    let Some(certificate) = &session.certificate else {
        return Judgement::unknown("the certificate cannot be read");
    };
    let left = certificate.not_after.as_second() - now.as_second();
    let seen = format!("valid until {}", certificate.not_after);
    let judgement = if left >= TWO_WEEKS { Judgement::pass(seen) } else { Judgement::fail(seen) };
    judgement.expected("at least two weeks")
}

#[cfg(test)]
mod tests;
