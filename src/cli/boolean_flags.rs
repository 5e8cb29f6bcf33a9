//! Boolean flags with a value, as kubectl takes them: `--recursive=true`, `-A=false`.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The words with `--flag=true` written as `--flag`, and without `--flag=false` and the same flag before it.
pub(super) fn without_values(words: &[OsString], command: &Command) -> Vec<OsString> {
    let flags = flags(command);
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let mut kept: Vec<OsString> = Vec::new();
    for word in &words[..end] {
        let text = word.to_str().unwrap_or_default();
        let value = text.split_once('=').and_then(|(name, value)| Some((name, boolean(value)?)));
        match value
            .and_then(|(name, value)| Some((flags.iter().find(|names| names.contains(name))?, name, value)))
        {
            Some((_, name, true)) => kept.push(name.into()),
            Some((names, _, false)) => {
                kept.retain(|word| !word.to_str().is_some_and(|word| names.contains(word)));
            }
            None => kept.push(word.clone()),
        }
    }
    kept.extend_from_slice(&words[end..]);
    kept
}

/// The names of each boolean flag, without those that another command gives a value, as `--dry-run=server`.
fn flags(command: &Command) -> Vec<BTreeSet<String>> {
    let (mut flags, mut others) = (Vec::new(), BTreeSet::new());
    collect(command, &mut flags, &mut others);
    flags.retain(|names: &BTreeSet<String>| names.is_disjoint(&others));
    flags
}

/// Of `command` and those below it.
fn collect(command: &Command, flags: &mut Vec<BTreeSet<String>>, others: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let long = argument.get_long_and_visible_aliases().unwrap_or_default();
        let short = argument.get_short_and_visible_aliases().unwrap_or_default();
        let long = long.into_iter().map(|name| format!("--{name}"));
        let names = long.chain(short.into_iter().map(|name| format!("-{name}")));
        match argument.get_action() {
            ArgAction::SetTrue => flags.push(names.collect()),
            _ => others.extend(names),
        }
    }
    command.get_subcommands().for_each(|below| collect(below, flags, others));
}

/// As Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::{Arguments, Command as Parsed, parse};

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        parse(&line.split(' ').map(Into::into).collect::<Vec<_>>())
    }

    #[test]
    fn boolean_flags_take_a_value_as_in_kubectl() {
        for (flags, is_insecure, is_everywhere) in [
            ("", false, false),
            ("--insecure-skip-tls-verify", true, false),
            ("--insecure-skip-tls-verify=true", true, false),
            ("--insecure-skip-tls-verify=1 -A=true", true, true),
            ("--insecure-skip-tls-verify=false --all-namespaces=True", false, true),
            ("--insecure-skip-tls-verify --insecure-skip-tls-verify=false", false, false),
            ("--insecure-skip-tls-verify=false --insecure-skip-tls-verify=true", true, false),
            ("-A --all-namespaces=f", false, false),
        ] {
            let connection = parsed(format!("x status {flags}").trim_end()).unwrap().connection;
            let read = (connection.insecure_skip_tls_verify, connection.all_namespaces);
            assert_eq!(read, (is_insecure, is_everywhere), "{flags}");
        }
        let Parsed::Images(images) = parsed("x images -f x -R=true --explain=false").unwrap().command else {
            panic!()
        };
        assert!(images.recursive.recursive && !images.explain);
        for line in [
            "x status --insecure-skip-tls-verify=maybe",
            "x status -A=",
            "x status --output=true",
            "x sync-images --dry-run=false",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_last_value_of_a_flag_is_used() {
        let connection =
            parsed("x --kubeconfig=a status --request-timeout=1s --request-timeout=2s").unwrap().connection;
        assert_eq!(connection.request_timeout.as_secs(), 2);
        let connection =
            parsed("x status --kubeconfig a --kubeconfig b --as-group=g --as-group=h").unwrap().connection;
        assert_eq!(connection.kubeconfig.as_deref(), Some("b".as_ref()));
        assert_eq!(connection.impersonate_group, ["g", "h"]);
    }

    #[test]
    fn flags_of_kubectl_without_a_use_here_are_accepted() {
        let connection =
            parsed("x status --disable-compression=true --cache-dir=/tmp/x --as=a --as-user-extra=k=v=w")
                .unwrap();
        assert_eq!(connection.connection.impersonate_extra, [("k".to_owned(), "v=w".to_owned())]);
        assert!(parsed("x status --as-user-extra=k").is_err());
    }
}
