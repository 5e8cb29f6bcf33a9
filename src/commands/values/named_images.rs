//! What all of `values` does first and says last.

use crate::cli::{Arguments, NamingArguments};
use crate::cluster;
use crate::commands::{CommandError, Ending, discovery};
use crate::output;
use crate::output::progress::Progress;
use crate::persist::left_out::{self, LeftOut};
use crate::persist::named::{self, NamedImages};

/// Reads the cluster that the flags name.
pub(super) async fn read(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<NamedImages, CommandError> {
    let connection = cluster::connect(&arguments.connection.flags()).await?;
    let progress = Progress::new(arguments.logging.verbosity);
    let scope = arguments.connection.scope(None);
    let network = arguments.network.settings();
    let observer = |event| progress.observe(event);
    let knowledge = discovery::knowledge(&wanted.knowledge)?;
    named::read(&connection, &network, &scope, &wanted.mirror.settings(), knowledge, &observer).await
}

/// Says which images keep their names and why, and leaves them out. `is_by_prefix` tells of a policy that does not
/// know single images.
pub(super) fn leave_out(images: &mut NamedImages, is_by_prefix: bool) -> Ending {
    let left_out = left_out::leave_out(&mut images.assignments);
    for LeftOut { image, place, more, why, is_held_back } in &left_out {
        let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
        let what = match (is_held_back, is_by_prefix) {
            (false, _) => "keeps its name",
            (true, false) => "keeps its name here",
            (true, true) => "is renamed by its prefix all the same",
        };
        output::warning(&format!("{image} of {}{more} {what}: {why}", output::described(place)));
    }
    if images.is_partial || !left_out.is_empty() { Ending::Attention } else { Ending::Done }
}
