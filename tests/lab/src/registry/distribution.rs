//! The real CNCF distribution as a child process, in plain HTTP on the loopback device.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::Method;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::upstream::Upstream;

const START_LIMIT: Duration = Duration::from_mins(2);

/// A running distribution process; it ends when this value is dropped, or when the lab ends.
pub struct Distribution {
    upstream: Upstream,
    _child: Child,
}

impl Distribution {
    /// Starts `program` with its content in `storage` (created if missing) and returns when it responds.
    pub async fn start(program: &Path, storage: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        ensure!(
            program.exists(),
            "the registry program {} is missing: run tests/lab/tools/build.sh",
            program.display()
        );
        std::fs::create_dir_all(storage).with_context(|| format!("creating {}", storage.display()))?;
        // YAML is a superset of JSON, and JSON quotes paths safely.
        let config = json!({
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": storage.join("content")},
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": true},
                "maintenance": {"uploadpurging": {"enabled": false}},
            },
            "http": {"addr": address.to_string(), "relativeurls": true, "secret": "lab"},
        });
        let config_path = storage.join("config.json");
        std::fs::write(&config_path, config.to_string())?;
        let log_path = storage.join("registry.log");
        let log = File::create(&log_path)?;
        // setpriv makes the kernel end the process with its parent, however the parent ends.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg("serve")
            .arg(&config_path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting the registry with `setpriv` (package util-linux)")?;
        let upstream = Upstream::new(address, storage);
        let limit = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("the registry on {address} exited with {status}: see {}", log_path.display());
            }
            if upstream.ask(Method::GET, "/v2/").await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self { upstream, _child: child });
            }
            if Instant::now() > limit {
                bail!("the registry on {address} does not respond: see {}", log_path.display());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
