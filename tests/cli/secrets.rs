//! No secret is in an error or sent unencrypted, and nothing panics.

mod aws;
mod cluster;
mod kubeconfig;
mod plain_http;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use lab::host::{Output, tools};

/// A part of every secret in these tests.
const SECRET: &str = "s3cret";

/// A temporary folder. The plugin runs outside of the lab, because these tests need no cluster.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("secrets-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the plugin with `kubeconfig` as `KUBECONFIG`, and asserts its exit code and that the output has no secret.
    #[track_caller]
    pub(crate) fn plugin(&self, code: i32, kubeconfig: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(tools::plugin().unwrap());
        command.env_clear().env("HOME", self.path()).env("KUBECONFIG", kubeconfig);
        for name in ["PATH", "SSL_CERT_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let output = Output::from(command.args(arguments).current_dir(self.path()).output().unwrap());
        assert_eq!(output.code, Some(code), "{arguments:?}: {}{}", output.stdout, output.stderr);
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(SECRET) && !text.contains("panicked"), "{arguments:?}: {text}");
        }
        output
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A kubeconfig whose only user, `u`, has these fields.
fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Config
current-context: x
clusters:
- name: c
  cluster: {{server: \"{server}\"}}
contexts:
- name: x
  context: {{cluster: c, user: u}}
users:
- name: u
  user: {user}
"
    )
}
