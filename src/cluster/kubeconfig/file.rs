//! Parses one kubeconfig file. Errors quote only names of entries.

use super::entries::Kubeconfig;
use crate::parse::encoding::{self, BYTE_ORDER_MARK};
use crate::parse::{cause, libyaml, yaml};
use crate::printable::one_line;

/// The kubeconfig fields that an error may name. No other text of the file is repeated.
const FIELDS: [&str; 39] = [
    "apiVersion",
    "args",
    "as",
    "as-groups",
    "as-uid",
    "as-user-extra",
    "auth-provider",
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "cluster",
    "clusters",
    "command",
    "config",
    "context",
    "contexts",
    "current-context",
    "env",
    "exec",
    "extension",
    "extensions",
    "insecure-skip-tls-verify",
    "installHint",
    "interactiveMode",
    "kind",
    "name",
    "namespace",
    "password",
    "provideClusterInfo",
    "proxy-url",
    "server",
    "tls-server-name",
    "token",
    "tokenFile",
    "user",
    "users",
];

/// An invalid kubeconfig: the line if known, and a cause that quotes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{cause}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub(in crate::cluster) struct InvalidKubeconfig {
    pub(in crate::cluster) line: Option<u64>,
    pub(in crate::cluster) cause: String,
}

/// Parses the text of a file. Several documents count as several files.
///
/// # Errors
/// It is not UTF-8 or UTF-16, not YAML, a field has the wrong type, or two entries have the same name.
pub(in crate::cluster) fn parse(bytes: &[u8]) -> Result<Kubeconfig, InvalidKubeconfig> {
    let text = encoding::decode(bytes.to_vec())
        .map_err(|error| InvalidKubeconfig { line: None, cause: error.to_string() })?;
    let text = libyaml::replaced(text.trim_start_matches(BYTE_ORDER_MARK)).text;
    let documents = yaml::documents::<Option<Kubeconfig>>(&text).map_err(|error| fault(&text, &error))?;
    let documents: Vec<_> = documents.into_iter().flatten().collect();
    if let Some((list, name)) = documents.iter().find_map(Kubeconfig::duplicate) {
        let cause = format!("duplicate name \"{}\" in {list}", one_line(name, 100));
        return Err(InvalidKubeconfig { line: None, cause });
    }
    Ok(documents.into_iter().fold(Kubeconfig::default(), Kubeconfig::merge))
}

fn fault(text: &str, error: &serde_saphyr::Error) -> InvalidKubeconfig {
    let cause = cause::yaml_cause(error);
    let Some(location) = error.location().filter(|location| location.line() > 0) else {
        return InvalidKubeconfig { line: None, cause };
    };
    let (line, column) = (location.line(), location.column());
    let index = usize::try_from(line).unwrap_or(usize::MAX) - 1;
    let indents_by_tab = |line: &str| {
        let indentation = &line[..line.len() - line.trim_start().len()];
        indentation.contains('\t')
    };
    // The parser may report an adjacent line.
    let nearby = text.lines().enumerate().skip(index.saturating_sub(1)).take(3);
    let is_syntax = matches!(unwrapped(error), serde_saphyr::Error::ExternalMessage { .. });
    if let Some((index, _)) = nearby.into_iter().find(|(_, line)| is_syntax && indents_by_tab(line)) {
        return InvalidKubeconfig {
            line: Some(index as u64 + 1),
            cause: "a tab in the indentation, where YAML allows only spaces".to_owned(),
        };
    }
    let field = if is_syntax { None } else { field_before(text, index, column) };
    let cause = field.map_or_else(|| cause.clone(), |field| format!("{field}: {cause}"));
    InvalidKubeconfig { line: Some(line), cause }
}

fn unwrapped(error: &serde_saphyr::Error) -> &serde_saphyr::Error {
    match error {
        serde_saphyr::Error::WithSnippet { error, .. } | serde_saphyr::Error::AliasError { error, .. } => {
            unwrapped(error)
        }
        error => error,
    }
}

/// The kubeconfig field that begins at `column` of the line with this index, or whose value begins there.
fn field_before(text: &str, index: usize, column: u64) -> Option<&'static str> {
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    let line = text.lines().nth(index)?;
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let is_here = |field: &&str| rest.strip_prefix(*field).is_some_and(|rest| rest.starts_with(':'));
    if let Some(field) = FIELDS.into_iter().find(is_here) {
        return Some(field);
    }
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let before = if before.trim_matches([' ', '-']).is_empty() {
        text.lines().take(index).filter(|line| !line.trim().is_empty()).last()?
    } else {
        before.as_str()
    };
    // A tag or an anchor may precede the value.
    let mut before = before.trim_end();
    while let Some((rest, word)) = before.rsplit_once(' ')
        && word.starts_with(['!', '&'])
    {
        before = rest.trim_end();
    }
    let key = before.strip_suffix(':')?;
    let ends_with = |field: &&str| {
        key.strip_suffix(*field).is_some_and(|rest| rest.is_empty() || rest.ends_with([' ', '{', ',']))
    };
    FIELDS.into_iter().find(ends_with)
}

#[cfg(test)]
mod tests;
