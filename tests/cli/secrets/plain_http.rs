//! A server with plain HTTP gets no credentials, as with kubectl.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::{Home, kubeconfig};
use crate::harness::assert_stderr_contains;

/// Responds with 401 to every request, and records it.
fn listen() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = Vec::new();
            let mut part = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(length) if length > 0 => head.extend_from_slice(&part[..length]),
                    _ => break,
                }
            }
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&head).to_ascii_lowercase());
            let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    (address, seen)
}

#[test]
fn credentials_are_not_sent_and_no_plugin_is_run() {
    let home = Home::new();
    let token = home.write("token", "s3cret-token");
    let ran = home.path().join("ran");
    let exec = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [\"{}\"]}}}}",
        ran.display()
    );
    let users = [
        "{token: s3cret-token}".to_owned(),
        "{username: admin, password: s3cret-password}".to_owned(),
        format!("{{tokenFile: {token}}}"),
        // An invalid credential does not matter if it is not used.
        "{tokenFile: /absent}".to_owned(),
        "{token: \"s3cret\\n\"}".to_owned(),
        "{client-certificate-data: czNjcmV0, client-key-data: czNjcmV0}".to_owned(),
        "{auth-provider: {name: oidc, config: {id-token: s3cret}}}".to_owned(),
        exec,
    ];
    let (address, seen) = listen();
    for server in [format!("http://{address}"), format!("HTTP://user:s3cret@{address}")] {
        for user in &users {
            let path = home.write("config", kubeconfig(&server, user));
            seen.lock().unwrap().clear();
            let flags = ["--as=somebody", "--as-group=some", "--token=s3cret-flag"];
            for flags in [&[][..], &flags[..2], &flags[..]] {
                let output = home.plugin(2, &path, &[&["images"], flags].concat());
                assert_stderr_contains(
                    &output,
                    &["(Unauthorized)", "credentials are not sent over plain HTTP"],
                );
            }
            let sent = seen.lock().unwrap().clone();
            assert!(sent.contains("get /"), "{sent}");
            for part in ["authorization:", "s3cret", "czncmv0"] {
                assert!(!sent.contains(part), "{user}: {sent}");
            }
            // As kubectl does.
            assert!(
                sent.contains("impersonate-user: somebody") && sent.contains("impersonate-group: some"),
                "{sent}"
            );
            assert!(!ran.exists(), "a credential plugin was run");
        }
    }
    // A server set by a flag overrides that of the kubeconfig.
    let path = home.write("config", kubeconfig("https://127.0.0.1:9", "{token: s3cret-token}"));
    seen.lock().unwrap().clear();
    home.plugin(2, &path, &["images", &format!("--server=http://{address}")]);
    let sent = seen.lock().unwrap().clone();
    assert!(sent.contains("get /") && !sent.contains("authorization:"), "{sent}");
}
