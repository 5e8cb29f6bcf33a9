//! The events of the YAML parser, which locate a value in a text.

use granit_parser::{Parser, StrInput};

use super::MAX_DEPTH;

/// Limit for open flow collections. The parser looks 1,024 characters ahead for the `:` of a key, and would otherwise
/// reject them before our depth limit applies.
pub(super) const MAX_FLOW: usize = MAX_DEPTH + 2048;

/// The parser events of `text`, with the limits of [`super::yaml::from_str`].
pub fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: MAX_FLOW,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    Parser::new_from_str_with_options(text, options)
}
