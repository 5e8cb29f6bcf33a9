//! Whether standard output was closed when the process started, as by `>&-` in a shell.
//!
//! Rust's runtime opens /dev/null for closed standard streams before `main` (std `sys/pal/unix/mod.rs`,
//! `sanitize_standard_fds`), so that results would be lost without an error. This crate looks before that. It is the
//! only one with unsafe code.

#[cfg(unix)]
mod unix {
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
