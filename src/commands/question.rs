//! The question before anything is changed.

use super::CommandError;
use crate::output;

/// Asks whether to do `work` (`change 3 workloads`), after `show` has shown it; where nobody can be asked, somebody
/// must have said yes before.
pub(super) async fn ask(work: String, show: impl FnOnce()) -> Result<bool, CommandError> {
    if !output::is_interactive() {
        let message = format!("error: refusing to {work} without --yes, because nobody can be asked here");
        return Err(CommandError::with_hint(message, "add --yes, or look first with --dry-run"));
    }
    show();
    let mut question = work;
    question[..1].make_ascii_uppercase();
    // Waiting for a person must not keep Ctrl-C from being heard.
    let answer = tokio::task::spawn_blocking(move || output::confirm(&format!("{question}?"))).await;
    Ok(answer.map_err(std::io::Error::other)??)
}
