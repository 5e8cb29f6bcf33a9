//! Reads the file of `--service-file`.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use crate::commands::CommandError;
use crate::endpoints::service_file::{MAX_BYTES, parse};
use crate::endpoints::settings::NamedService;
use crate::parse::encoding;

/// Where the documentation is that users of a released binary have.
const FORMAT: &str = concat!(
    "the format is described at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/blob/main/docs/endpoints.md#services-that-this-version-does-not-know"
);

/// The services in the file. Reading standard input may block, and Ctrl-C must work meanwhile.
pub(super) async fn read(path: &Path) -> Result<Vec<NamedService>, CommandError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || services(&path)).await.map_err(std::io::Error::other)?
}

fn services(path: &Path) -> Result<Vec<NamedService>, CommandError> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
    let read = if path.as_os_str() == "-" {
        stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    let reading = |why: &dyn std::fmt::Display| format!("error: reading --service-file {shown}: {why}");
    read.map_err(|error| CommandError::new(reading(&error)))?;
    if bytes.len() > MAX_BYTES {
        return Err(CommandError::new(reading(&format!("it is larger than {MAX_BYTES} bytes"))));
    }
    let text =
        encoding::decode(bytes).map_err(|error| CommandError::with_hint(reading(&error), error.hint()))?;
    parse(&text)
        .map_err(|why| CommandError::with_hint(format!("error: --service-file {shown}: {why}"), FORMAT))
}
