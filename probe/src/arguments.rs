//! The arguments of the binary.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the kubelet reads the termination message, unless the pod says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) request: PathBuf,
    /// CA certificates that are trusted in addition to the built-in ones.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) termination_log: PathBuf,
}

impl Arguments {
    /// # Errors
    /// An unknown or repeated flag, a flag without its value, or no request.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let (mut request, mut ca, mut termination_log) = (None, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            let flag = flag.to_string_lossy().into_owned();
            let value = match flag.as_str() {
                "--request" => &mut request,
                "--ca" => &mut ca,
                "--termination-log" => &mut termination_log,
                _ => return Err(format!("unknown argument {flag:?}")),
            };
            let path = arguments.next().ok_or_else(|| format!("{flag} needs a file"))?;
            if value.replace(PathBuf::from(path)).is_some() {
                return Err(format!("{flag} is given twice"));
            }
        }
        Ok(Self {
            request: request.ok_or("--request is missing")?,
            ca,
            termination_log: termination_log.unwrap_or_else(|| TERMINATION_LOG.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_one_value_each() {
        let parse = |line: &str| Arguments::parse(line.split_whitespace().map(OsString::from));
        let arguments = |ca: Option<&str>, termination_log: &str| Arguments {
            request: "/r.json".into(),
            ca: ca.map(PathBuf::from),
            termination_log: termination_log.into(),
        };
        let cases = [
            ("--request /r.json", Ok(arguments(None, TERMINATION_LOG))),
            ("--ca /c.pem --request /r.json --termination-log /t", Ok(arguments(Some("/c.pem"), "/t"))),
            ("", Err("--request is missing")),
            ("--request", Err("--request needs a file")),
            ("--request /r.json --request /r.json", Err("--request is given twice")),
            ("--request /r.json -v", Err("unknown argument \"-v\"")),
            ("/r.json", Err("unknown argument \"/r.json\"")),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected.map_err(str::to_owned), "{line}");
        }
    }
}
