//! Network facts about hosts, as serialisable values: responses of name servers, TCP and TLS connections, responses of
//! HTTP and gRPC servers, and how long each took. This crate does not judge the facts.
//!
//! [`gather`] probes all hosts of a [`Request`] concurrently, and returns [`HostFacts`] for each.

pub mod dns;
mod endpoint;
pub mod exchange;
mod facts;
mod gather;
pub mod grpc;
mod http;
mod scope;
pub mod tcp;
mod timing;
pub mod tls;

pub use self::endpoint::{Endpoint, NotAnEndpoint};
pub use self::facts::{Connect, Fact, HostFacts, Layer, Reason, Target};
pub use self::gather::{Request, gather};
pub use self::scope::Scope;
pub use self::timing::timed;
