//! Credential helpers: programs that keep logins (docker/docker-credential-helpers).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::zeroize::Zeroize as _;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// Maximum output, in bytes.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Timeout. Some helpers ask the user to unlock a keychain.
const LIMIT: Duration = Duration::from_mins(1);

/// What helpers print for unknown servers, with exit code 1 (docker-credential-helpers `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A helper's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) username: String,
    pub(super) secret: String,
}

/// Asks the helper `name` for the login of `server`; `None` if it has none.
///
/// # Errors
/// Why there is no answer. What the helper printed is never part of it.
pub(super) async fn get(name: &str, server: &str) -> Result<Option<Answer>, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(is_name) {
        return Err("the name of its credential helper has characters other than letters, digits, - _ and ."
            .to_owned());
    }
    get_from(Path::new(&format!("docker-credential-{name}")), name, server).await
}

/// The same for a program at any path.
pub(super) async fn get_from(path: &Path, name: &str, server: &str) -> Result<Option<Answer>, String> {
    let program = format!("docker-credential-{name}");
    let by_hand = format!("try it by hand: echo {server} | {program} get");
    match tokio::time::timeout(LIMIT, run(path, server)).await {
        Err(_) => Err(format!("{program} did not answer within {} s; {by_hand}", LIMIT.as_secs())),
        Ok(Err(error)) => Err(format!("{program} could not be run: {error}")),
        Ok(Ok((true, mut printed))) => {
            let answer = serde_json::from_slice::<Answer>(&printed);
            printed.zeroize();
            let answer = answer.map_err(|_| format!("{program} printed no login; {by_hand}"))?;
            // So do helpers say that they have no login.
            let is_empty = answer.username.is_empty() && answer.secret.is_empty();
            Ok((!is_empty).then_some(answer))
        }
        Ok(Ok((false, printed))) if String::from_utf8_lossy(&printed).contains(NOT_FOUND) => Ok(None),
        Ok(Ok((false, _))) => Err(format!("{program} failed; {by_hand}")),
    }
}

/// Whether it succeeded, and what it printed.
async fn run(program: &Path, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper may end without reading.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let mut printed = Vec::new();
    if let Some(output) = child.stdout.take() {
        // The pipe is closed with it, which ends a helper that prints on.
        output.take(OUTPUT_LIMIT).read_to_end(&mut printed).await?;
    }
    Ok((child.wait().await?.success(), printed))
}
