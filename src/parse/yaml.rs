//! YAML with a limited depth.

use std::thread;

use granit_parser::{Parser, StrInput};
use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Options};

use super::{MAX_DEPTH, cause, too_deep};

/// What aliases may stand for, in nodes and in bytes of text, beyond as much as the text itself holds: a small text must
/// not become a large value.
const MAX_REPEATED_NODES: usize = 1_000_000;
const MAX_REPEATED_BYTES: usize = 64 << 20;

/// Flow collections that the parser may see open: it looks 1,024 characters ahead for the `:` of a key, and would
/// otherwise find them too deep before the limit of the depth is reached.
const MAX_FLOW: usize = MAX_DEPTH + 2048;

/// Deepest nesting that is read on the stack of the caller: the parser takes up to 6 KiB of it for each level, and five
/// times as much in a debug build.
const MAX_DEPTH_HERE: usize = 24;

/// Stack for the deeper ones. The system provides only what of it is used.
const STACK: usize = 16 << 20;

/// Reads the one document of `text`; `first_line` is the line of a larger text that it begins on, counted from 1.
///
/// # Errors
/// It is not YAML, is not a `T`, is nested too deep, or its aliases stand for too much. The text says which, and where.
pub fn from_str<T: DeserializeOwned + Send>(text: &str, first_line: usize) -> Result<T, String> {
    match read(text, first_line, MAX_DEPTH_HERE) {
        Err(error) if is_too_deep(&error) => {
            let read = || read(text, first_line, MAX_DEPTH).map_err(|error| describe(&error));
            thread::scope(|scope| {
                let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
                let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
                thread.join().unwrap_or_else(|_| Err("the parser failed".to_owned()))
            })
        }
        read => read.map_err(|error| describe(&error)),
    }
}

fn read<T: DeserializeOwned>(text: &str, first_line: usize, max_depth: usize) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options(text, max_depth)).map_err(|error| {
        if first_line <= 1 || (is_too_deep(&error) && max_depth < MAX_DEPTH) {
            return error;
        }
        // Behind as many empty lines it is the larger text's line that the error names.
        let placed = "\n".repeat(first_line - 1) + text;
        serde_saphyr::from_str_with_options::<T>(&placed, options(text, max_depth)).err().unwrap_or(error)
    })
}

/// The events of `text`, with the limits of [`from_str`].
pub fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: MAX_FLOW,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    Parser::new_from_str_with_options(text, options)
}

/// What the parser may do with `text`. Its own limits are numbers for a configuration file, and less than one list of
/// a large cluster has; what a text of some length says once, it may say.
fn options(text: &str, max_depth: usize) -> Options {
    // `?` alone is a mapping, its key and its value: the shortest text that makes three nodes, and four events.
    let (nodes, events) = (3 * text.len() + 3, 6 * text.len() + 16);
    serde_saphyr::options! {
        emit_comments: false,
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

/// Without what the parser adds to it.
fn original(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

/// The cause, and in a user's words where it is one of the limits.
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
