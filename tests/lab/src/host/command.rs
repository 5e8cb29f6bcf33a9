//! Commands that run in the lab's namespaces with their own environment.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Lab;

/// The platform engineer's access key id and secret: AWS' own documentation examples.
pub const ACCESS_KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Lab {
    /// A command in the lab, started in the lab's home folder.
    /// From the caller's environment it gets only the terminal's settings; variables may be added.
    pub fn command(&self, program: &str) -> Command {
        self.command_in(&self.folder.home(), program)
    }

    /// A command in the lab, started in `folder`.
    pub fn command_in(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.env_clear().envs(self.environment()).args(self.enter_arguments());
        // After a process enters a mount namespace, it is in the root folder.
        command.args(["--", "env", "--chdir"]).arg(folder).arg(program);
        command
    }

    /// The script that enters this lab with the same environment; it works as long as the lab runs.
    pub fn enter_script(&self) -> PathBuf {
        self.folder.path().join("enter")
    }

    pub(super) fn write_enter_script(&self) -> anyhow::Result<()> {
        let mut script =
            String::from("#!/usr/bin/env bash\n# Runs a command, or a shell, in the lab.\nexec env -i");
        for (name, value) in self.environment() {
            // Writing to a string cannot fail.
            let _ = write!(script, " \\\n\t{name}={}", quoted(&value.to_string_lossy()));
        }
        let _ = write!(
            script,
            " \\\n\tnsenter {} -- env --chdir \"$PWD\" \"${{@:-bash}}\"\n",
            self.enter_arguments().join(" ")
        );
        let path = self.enter_script();
        std::fs::write(&path, script)
            .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)))
            .with_context(|| format!("writing `{}`", path.display()))
    }

    /// The process namespace is entered too, so that a forgotten command ends with the lab.
    fn enter_arguments(&self) -> Vec<String> {
        let target = format!("--target={}", self.namespaces.init());
        let flags = ["--user", "--net", "--mount", "--pid", "--preserve-credentials"];
        std::iter::once(target).chain(flags.map(ToOwned::to_owned)).collect()
    }

    /// AWS' region is not set: the product finds it from the cluster.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut path = OsString::from(self.folder.programs());
        for part in [self.tools.as_os_str(), SYSTEM_PATH.as_ref()] {
            path.push(":");
            path.push(part);
        }
        let mut environment = vec![
            ("PATH", path),
            ("HOME", self.folder.home().into()),
            ("KUBECONFIG", self.folder.kubeconfig().into()),
            ("SSL_CERT_FILE", self.folder.authority_certificate().into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.0.into()),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.1.into()),
            ("LANG", "C.UTF-8".into()),
        ];
        for name in ["TERM", "COLUMNS", "LINES", "COLORTERM"] {
            environment.extend(std::env::var_os(name).map(|value| (name, value)));
        }
        environment
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
