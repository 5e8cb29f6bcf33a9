//! Lists that the server refuses: those with one cause share a sentence.

use super::error::Error;

/// Why `refused` kinds, as kubectl names them, were not listed, one sentence for each cause. One missing right usually
/// refuses all of them.
pub(super) fn refusals(refused: &[(String, Error)]) -> Vec<String> {
    let mut causes: Vec<(String, &Error, Vec<&str>)> = Vec::new();
    for (kind, error) in refused {
        let cause = cause(kind, error);
        match causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((.., kinds)) => kinds.push(kind),
            None => causes.push((cause, error, vec![kind])),
        }
    }
    let sentence = |(_, error, kinds): &(String, &Error, Vec<&str>)| {
        format!("cannot list {}: {error}; images in them are not found", kinds.join(", "))
    };
    causes.iter().map(sentence).collect()
}

/// The error without the names of what it is about.
fn cause(kind: &str, error: &Error) -> String {
    let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
    let quoted = error.to_string().replace(&format!("{resource:?}"), "");
    quoted.replace(&format!("group {group:?}"), "").replace(kind, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_one_missing_right_forbids_share_a_sentence() {
        let refused = |kind: &str, why: &str| {
            let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
            let error = Error::other(format!(
                "{kind} is forbidden: User \"u\" cannot list resource {resource:?} in API group {group:?} {why}"
            ));
            (kind.to_owned(), error)
        };
        let everywhere = "at the cluster scope";
        let refused = [
            refused("daemonsets.apps", everywhere),
            refused("jobs.batch", everywhere),
            refused("cronjobs.batch", "in the namespace \"n\""),
            refused("pods", everywhere),
        ];
        let expected = [
            "cannot list daemonsets.apps, jobs.batch, pods: error: daemonsets.apps is forbidden: User \"u\" cannot \
             list resource \"daemonsets\" in API group \"apps\" at the cluster scope; images in them are not found",
            "cannot list cronjobs.batch: error: cronjobs.batch is forbidden: User \"u\" cannot list resource \
             \"cronjobs\" in API group \"batch\" in the namespace \"n\"; images in them are not found",
        ];
        assert_eq!(refusals(&refused), expected);
    }
}
