//! The confirmation prompt before changes.

use super::CommandError;
use crate::output;

/// Prompts whether to do `work` (`change 3 workloads`), after `show` has printed it. Without a terminal, `--yes` is
/// required.
pub(super) async fn confirm(work: String, show: impl FnOnce()) -> Result<bool, CommandError> {
    if let Some(stream) = output::no_terminal() {
        let message = format!("error: {stream} is not a terminal: pass --yes to confirm");
        let hint = format!("this would {work}; --dry-run shows the details");
        return Err(CommandError::with_hint(message, hint));
    }
    show();
    let mut question = work;
    question[..1].make_ascii_uppercase();
    // Waiting for the answer must not block Ctrl-C.
    let answer = tokio::task::spawn_blocking(move || output::confirm(&format!("{question}?"))).await;
    Ok(answer.map_err(std::io::Error::other)??)
}
