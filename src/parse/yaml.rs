//! YAML with a limited depth.

use std::thread;

use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Error, NonFiniteFloatPolicy, Options};

use super::events::MAX_FLOW;
use super::{MAX_DEPTH, cause, libyaml, too_deep};

/// Limits for what aliases expand to, in nodes and in bytes, beyond the size of the text itself: a small text must not
/// become a large value.
const MAX_REPEATED_NODES: usize = 1_000_000;
const MAX_REPEATED_BYTES: usize = 64 << 20;

/// Maximum nesting that is parsed on the caller's stack: the parser needs up to 6 KiB of stack per level, and five
/// times as much in a debug build.
const MAX_DEPTH_HERE: usize = 24;

/// Stack for deeper texts. The system only allocates what is used.
const STACK: usize = 16 << 20;

/// Parses the one document of `text`, which begins at line `first_line` of a larger text, counted from 1.
///
/// # Errors
/// It is not YAML, is not a `T`, is nested too deep, or its aliases expand to too much. The text says which, and where.
pub fn from_str<T: DeserializeOwned + Send>(text: &str, first_line: usize) -> Result<T, String> {
    let text = libyaml::replaced(text).text;
    match read(&text, first_line, MAX_DEPTH_HERE) {
        Err(error) if is_too_deep(&error) => {
            let read = || read(&text, first_line, MAX_DEPTH).map_err(|error| describe(&error));
            thread::scope(|scope| {
                let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
                let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
                thread.join().unwrap_or_else(|_| Err("the parser failed".to_owned()))
            })
        }
        read => read.map_err(|error| {
            tab_in_indentation(&text, first_line, &error).unwrap_or_else(|| describe(&error))
        }),
    }
}

/// Names the line whose indentation has a tab, if that is the error: the parser may report an adjacent line.
fn tab_in_indentation(text: &str, first_line: usize, error: &Error) -> Option<String> {
    if !cause::yaml_cause(error).contains("tab") {
        return None;
    }
    let reported = usize::try_from(error.location()?.line()).ok()?;
    let is_indented_by_tab = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
    let mut nearby = text.lines().zip(first_line..).skip_while(|(_, line)| line + 1 < reported).take(3);
    let (_, line) = nearby.find(|(text, _)| is_indented_by_tab(text))?;
    Some(format!("a tab in the indentation at line {line}, where YAML allows only spaces"))
}

/// Parses the documents of a short text of the user's own, such as a kubeconfig.
///
/// # Errors
/// It is not YAML, is not a `T`, or is nested deeper than such texts are.
pub fn documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Error> {
    serde_saphyr::from_multiple_with_options(text, options(text, MAX_DEPTH_HERE))
}

fn read<T: DeserializeOwned>(text: &str, first_line: usize, max_depth: usize) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options(text, max_depth)).map_err(|error| {
        if first_line <= 1 || (is_too_deep(&error) && max_depth < MAX_DEPTH) {
            return error;
        }
        // Empty lines before it make errors name the line of the larger text.
        let placed = "\n".repeat(first_line - 1) + text;
        serde_saphyr::from_str_with_options::<T>(&placed, options(text, max_depth)).err().unwrap_or(error)
    })
}

/// The parser's budget for `text`. Its default limits are meant for configuration files, and a list of a large cluster
/// exceeds them. Ours grow with the length of the text.
fn options(text: &str, max_depth: usize) -> Options {
    // `?` alone is a mapping with a key and a value: the shortest text makes three nodes and four events.
    let (nodes, events) = (3 * text.len() + 3, 6 * text.len() + 16);
    serde_saphyr::options! {
        emit_comments: false,
        // As in kubectl.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // The hash of a commit may look like a number that no float can hold: `12e4567`.
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        budget: serde_saphyr::budget! {
            flow_nesting_limit: MAX_FLOW,
            max_depth: max_depth,
            max_nodes: nodes + MAX_REPEATED_NODES,
            max_events: events + MAX_REPEATED_NODES,
            max_recorded_anchor_events: events + MAX_REPEATED_NODES,
            max_total_scalar_bytes: text.len() + MAX_REPEATED_BYTES,
            max_recorded_anchor_bytes: text.len() + MAX_REPEATED_BYTES,
            max_aliases: usize::MAX,
            max_anchors: usize::MAX,
            max_merge_keys: usize::MAX,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPEATED_NODES,
        },
    }
}

fn is_too_deep(error: &Error) -> bool {
    matches!(original(error), Error::Budget { breach: BudgetBreach::Depth { .. }, .. })
}

/// The error without the wrapper that the parser adds.
fn original(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

/// The cause; if it is one of the limits, in words that users know.
fn describe(error: &Error) -> String {
    let why = match original(error) {
        _ if is_too_deep(error) => too_deep(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => format!(
            "its aliases expand to more than {MAX_REPEATED_NODES} nodes or {} MiB of text",
            MAX_REPEATED_BYTES >> 20
        ),
        _ => return cause::yaml(error),
    };
    match error.location() {
        Some(location) => format!("{why} at line {}, column {}", location.line(), location.column()),
        None => why,
    }
}
