//! A terminal of a given width.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::Stdio;

use lab::host::Lab;

/// Widths of the terminals of snapshots.
pub(super) const COLUMNS: [u16; 2] = [80, 120];

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
        // `script` (util-linux) runs the command on a terminal, and passes its own input on to it.
        let command = format!(
            "stty cols {} rows {LINES} -echo; kubectl castai-privatelink {}",
            self.columns,
            words.join(" ")
        );
        let mut child = lab
            .command("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
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
        let size = |count: u16| NonZero::new(count).expect("the size of the terminal is set");
        let mut screen = vt100::Parser::new(size(LINES), size(self.columns), 0);
        screen.process(&written);
        let text = screen.screen().contents();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned() + "\n"
    }
}
