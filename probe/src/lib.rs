//! Network facts of hosts, as values that can be written down: what name servers answer, whether TCP and TLS connect,
//! and what HTTP and gRPC servers reply. What a fact means is not decided here.

pub mod dns;
pub mod endpoint;
pub mod exchange;
pub mod grpc;
pub mod http;
pub mod tcp;
pub mod tls;

pub use self::endpoint::{Endpoint, NotAnEndpoint};
