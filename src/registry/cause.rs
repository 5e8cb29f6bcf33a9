//! Why a host cannot be reached.

use std::io;

use crate::printable::one_line;
use crate::registry::MAX_TEXT_LENGTH;
use crate::transport::fault::{Fault, causes};

/// Why a host cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("host not found in DNS; check the name and this machine's network")]
    Dns,
    #[error("connection refused; check the address and proxies")]
    Refused,
    #[error("connection timed out; check the network, proxies and --connect-timeout")]
    ConnectTimeout,
    #[error("no data within --idle-timeout")]
    Timeout,
    #[error("{fault}; {}", .0.advice(), fault = .0)]
    Blocked(Fault),
    #[error("connection failed: {0}")]
    Reset(String),
}

impl Cause {
    pub(super) fn classify(error: reqwest::Error) -> Self {
        // The query of a URL may contain a signature.
        let error = error.without_url();
        if let Some(fault) = Fault::classify(&error) {
            return Self::Blocked(fault);
        }
        let chain = causes(&error);
        let io_kind = chain.iter().find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind));
        if error.is_connect() {
            if chain.iter().any(|error| error.to_string().contains("dns error")) {
                return Self::Dns;
            }
            if error.is_timeout() || io_kind == Some(io::ErrorKind::TimedOut) {
                return Self::ConnectTimeout;
            }
            if io_kind == Some(io::ErrorKind::ConnectionRefused) {
                return Self::Refused;
            }
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        // rustls explains this one to programmers, with a link.
        if io_kind == Some(io::ErrorKind::UnexpectedEof) {
            return Self::Reset("closed by the server without a response".to_owned());
        }
        let innermost = chain.last().map_or_else(String::new, ToString::to_string);
        Self::Reset(one_line(&innermost, MAX_TEXT_LENGTH))
    }
}
