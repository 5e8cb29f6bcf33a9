//! The namespace of `-n`.

use super::CommandError;
use crate::castai::built_in;
use crate::cli::ConnectionArguments;
use crate::cluster;

/// As in kubectl, an empty `-n` means the namespace of the context, as in `-n "$NAMESPACE"` without the variable.
pub(super) fn resolve(connection: &mut ConnectionArguments) -> Result<(), CommandError> {
    if connection.namespace.as_deref() == Some("") {
        connection.namespace = Some(cluster::context_namespace(&connection.flags(built_in()))?);
    }
    Ok(())
}
