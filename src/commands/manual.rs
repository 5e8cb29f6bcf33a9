//! `man`: the manual page, from the same text as `--help`.

use clap::CommandFactory as _;

use super::{Ending, Stop};
use crate::cli::Arguments;
use crate::output;

pub(super) fn run() -> Result<Ending, Stop> {
    let mut page = Vec::new();
    // A page has one word for its name.
    let command = Arguments::command().name("kubectl-castai_privatelink");
    clap_mangen::Man::new(command).render(&mut page)?;
    output::result(&String::from_utf8_lossy(&page))?;
    Ok(Ending::Done)
}
