//! What has to happen before `main`, while the process has one thread. It is the only crate with unsafe code.
//!
//! Rust's runtime opens /dev/null for closed standard streams before `main` (std `sys/pal/unix/mod.rs`,
//! `sanitize_standard_fds`), so that results would be lost without an error. This crate looks before that.
//!
//! It also unsets empty variables of AWS and OpenSSL. As in the AWS CLI, `AWS_PROFILE=` counts as unset, but the AWS SDK
//! reads these variables itself, looks for a profile without a name, and panics at an empty endpoint (aws-smithy-types
//! 1.9.3, `endpoint::Builder::build`).

#[cfg(unix)]
mod unix {
    use std::os::unix::ffi::OsStrExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(super) static CLOSED: AtomicBool = AtomicBool::new(false);

    /// Functions in this section run before the runtime starts (System V ABI, "Initialization and Termination
    /// Functions"; Mach-O, `S_MOD_INIT_FUNC_POINTERS`).
    #[used]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    static AT_START: extern "C" fn() = at_start;

    extern "C" fn at_start() {
        // SAFETY: it only reads the flags of a file descriptor, which may be closed.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        CLOSED.store(flags == -1, Ordering::Relaxed);
        let empty = std::env::vars_os().filter(|(_, value)| value.is_empty()).map(|(name, _)| name);
        let is_read = |name: &[u8]| name.starts_with(b"AWS_") || name.starts_with(b"SSL_CERT_");
        for name in empty.filter(|name| is_read(name.as_bytes())).collect::<Vec<_>>() {
            // SAFETY: no other thread can read the environment: the only one is the one that will call `main`.
            unsafe { std::env::remove_var(name) };
        }
    }
}

/// Whether standard output was closed when the process started.
#[cfg(unix)]
pub fn was_stdout_closed() -> bool {
    unix::CLOSED.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whether standard output was closed when the process started.
#[cfg(windows)]
pub fn was_stdout_closed() -> bool {
    use std::os::windows::io::AsRawHandle as _;
    std::io::stdout().as_raw_handle().is_null()
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    const NAMES: [&str; 5] =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR", "AWS_PROFILE", "SSL_CERT_FILE", "OTHER_EMPTY"];

    #[test]
    fn empty_variables_of_aws_and_openssl_count_as_unset() {
        // A process of its own runs this test again, and prints what it sees.
        const AGAIN: &str = "STARTUP_TEST_PRINTS";
        if std::env::var_os(AGAIN).is_some() {
            NAMES.iter().for_each(|name| println!("<{name}={:?}>", std::env::var(name).ok()));
            return;
        }
        for (value, expected) in [("", [None, None, None, None, Some("")]), ("x", [Some("x"); 5])] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--nocapture", "empty_variables"]).env(AGAIN, "yes");
            let output = command.envs(NAMES.map(|name| (name, value))).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            for (name, expected) in NAMES.into_iter().zip(expected) {
                assert!(text.contains(&format!("<{name}={expected:?}>")), "{value:?}: {text}");
            }
        }
    }
}
