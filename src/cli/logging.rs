//! How much is logged to stderr.

use std::ffi::OsString;

use clap::Args;

/// From this level on, kubectl shows each request (kubectl, "Output verbosity and debugging").
const REQUESTS: u8 = 6;

/// Verbosity of stderr.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging options")]
pub struct LoggingArguments {
    /// Verbosity: 1 (the default of the flag without a value) shows retries and request counts, 6 each request
    #[arg(
        long = "v",
        visible_alias = "verbose",
        short = 'v',
        global = true,
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = 0,
        default_missing_value = "1"
    )]
    pub verbosity: u8,
}

impl LoggingArguments {
    pub const fn shows_requests(&self) -> bool {
        self.verbosity >= REQUESTS
    }
}

/// The words with `-v 6` and `-v6` written as `-v=6`: as in kubectl the level may be a word of its own, and unlike
/// there it may be absent.
pub(super) fn joined(words: &[OsString]) -> Vec<OsString> {
    let level = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_flag = true;
    for word in words {
        let text = word.to_str().unwrap_or_default();
        let last = joined.last().and_then(|last| last.to_str());
        match last {
            Some(flag @ ("-v" | "--v" | "--verbose")) if is_flag && level(text) => {
                let word = format!("{flag}={text}");
                joined.pop();
                joined.push(word.into());
                continue;
            }
            _ => {}
        }
        is_flag &= text != "--";
        match text.strip_prefix("-v") {
            Some(number) if is_flag && level(number) => joined.push(format!("-v={number}").into()),
            _ => joined.push(word.clone()),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;

    #[test]
    fn levels_are_written_as_in_kubectl() {
        for (line, level) in [
            ("x status", 0),
            ("x status -v", 1),
            ("x -v status", 1),
            ("x status -v=6", 6),
            ("x status -v 6", 6),
            ("x status -v6", 6),
            ("x -v 6 status", 6),
            ("x status --v=8", 8),
            ("x status --v 8", 8),
            ("x status --verbose", 1),
            ("x status -v -o json", 1),
            ("x rollback -v deploy castai-agent", 1),
        ] {
            let words: Vec<_> = line.split(' ').map(Into::into).collect();
            assert_eq!(parse(&words).unwrap().logging.verbosity, level, "{line}");
        }
        for line in ["x status -v=high", "x status -v=-1", "x status -vv"] {
            let words: Vec<_> = line.split(' ').map(Into::into).collect();
            assert!(parse(&words).is_err(), "{line}");
        }
    }
}
