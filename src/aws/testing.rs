//! AWS in tests.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use tokio::net::TcpListener;

use crate::aws::signed::Client;
use crate::transport::Settings;

/// A client in `us-east-1` of a server with these routes.
#[expect(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
pub(crate) async fn client(router: Router) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Client::new(&config, &Settings { retry_delay: Duration::from_millis(1), ..Settings::default() }).unwrap()
}
