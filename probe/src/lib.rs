//! Network facts of hosts, as values that can be written down and read back: what name servers answer, whether TCP
//! and TLS connect, what HTTP and gRPC servers reply, how long each took, and which proxy a connection goes through. What a fact means is not decided here.
//!
//! [`gather`] probes all hosts of a [`Request`] concurrently, and returns [`HostFacts`] for each. In pods, the binary of
//! this crate does that; [`pod`] has the documents that it reads and writes.

pub mod dns;
mod endpoint;
pub mod exchange;
mod facts;
mod gather;
pub mod grpc;
mod http;
pub mod pod;
pub mod proxy;
mod scope;
pub mod tcp;
mod timing;
pub mod tls;

pub use self::endpoint::{Endpoint, NotAnEndpoint};
pub use self::facts::{Connect, Fact, HostFacts, Layer, Reason, Target};
pub use self::gather::{Request, gather};
pub use self::scope::Scope;
pub use self::timing::timed;
