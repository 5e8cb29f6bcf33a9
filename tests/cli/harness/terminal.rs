//! A terminal of a given width.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use lab::host::Lab;

use super::cluster::eventually;

/// Widths of the terminals of snapshots.
pub(super) const COLUMNS: [u16; 3] = [80, 120, 200];

/// Enough lines for every screen, so that nothing scrolls away.
const LINES: u16 = 400;

/// The end of every prompt.
const QUESTION: &str = "[y/N]";

pub(super) struct Terminal {
    pub(super) columns: u16,
}

impl Terminal {
    /// The content of the terminal after the plugin has ended. `answer` is typed at the prompt.
    pub(super) fn show(&self, lab: &Lab, arguments: &[&str], answer: &str) -> String {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let command = format!(
            "stty cols {} rows {LINES} -echo; kubectl castai-privatelink {}",
            self.columns,
            words.join(" ")
        );
        let mut child = on_terminal(lab, &command);
        let mut stdin = child.stdin.take();
        let mut stdout = child.stdout.take().expect("a pipe");
        let (mut written, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let length = stdout.read(&mut part).expect("script writes");
            if length == 0 {
                break;
            }
            written.extend_from_slice(&part[..length]);
            if String::from_utf8_lossy(&written).contains(QUESTION)
                && let Some(mut stdin) = stdin.take()
            {
                stdin.write_all(answer.as_bytes()).expect("the answer is typed");
            }
        }
        child.wait().expect("script ends");
        let mut screen = vt100::Parser::new(size(LINES), size(self.columns), 0);
        screen.process(&written);
        let text = screen.screen().contents();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned() + "\n"
    }
}

/// Starts a command on a terminal: `script` (util-linux) provides one, and passes its own input on to the command.
fn on_terminal(lab: &Lab, command: &str) -> Child {
    lab.command("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs")
}

fn size(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("the size of the terminal is set")
}

/// Runs the plugin on a terminal that becomes narrower once `is_shown` is true. `then` is called afterwards. Returns the
/// content of the terminal before that, and after the plugin has ended.
pub(crate) fn show_resized(
    lab: &Lab,
    arguments: &[&str],
    (from, to): (u16, u16),
    is_shown: impl Fn() -> bool,
    then: impl FnOnce(),
) -> (String, String) {
    let [go, done] = ["resize", "resized"].map(|name| lab.folder().home().join(name));
    let resize = format!(
        "while [ ! -e {} ]; do sleep 0.1; done; stty -F /dev/tty cols {to}; touch {}",
        go.display(),
        done.display()
    );
    let command = format!(
        "stty cols {from} rows {LINES} -echo; ({resize}) & kubectl castai-privatelink {}",
        arguments.join(" ")
    );
    let mut child = on_terminal(lab, &command);
    let mut stdout = child.stdout.take().expect("a pipe");
    let written = Mutex::new(Vec::new());
    let bytes = || written.lock().unwrap_or_else(PoisonError::into_inner);
    let before = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut part) {
                bytes().extend_from_slice(&part[..length]);
            }
        });
        eventually("the request is held", is_shown);
        // The bars are drawn at intervals.
        eventually("the bars are shown", || {
            let written = bytes();
            written.windows(b"\n  ".len()).any(|part| part == b"\n  ")
        });
        std::fs::write(&go, "").expect("a file");
        eventually("the terminal is narrower", || done.exists());
        let before = bytes().len();
        then();
        before
    });
    child.wait().expect("script ends");
    let written = bytes();
    let mut screen = vt100::Parser::new(size(LINES), size(from), 0);
    screen.process(&written[..before]);
    let wide = rows(&screen, from);
    screen.screen_mut().set_size(size(LINES), size(to));
    screen.process(&written[before..]);
    let narrow = rows(&screen, to);
    (wide, narrow)
}

/// The rows of a terminal, each on its own line although the terminal may have wrapped one to the next.
fn rows(screen: &vt100::Parser, columns: u16) -> String {
    let rows: Vec<_> = screen.screen().rows(0, columns).collect();
    rows.join("\n").trim_end().to_owned()
}
