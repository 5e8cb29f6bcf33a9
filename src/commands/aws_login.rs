//! The identity for AWS requests: `--profile`, or what the kubeconfig's credential plugin uses where nothing else is set.

use crate::cli::Arguments;
use crate::cluster::Connection;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::output;
use crate::transport::Settings;
use crate::transport::aws_login::AwsLogin;

/// Variables that choose credentials before a profile of ours would (AWS SDKs and Tools reference guide, "Standardized
/// credential providers").
const CHOICES: [&str; 7] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// The network settings of a command that reads `connection`'s cluster and may use AWS for `registries`, or for the
/// default registry if there are none.
pub(super) fn network(
    arguments: &Arguments,
    connection: Option<&Connection>,
    registries: &[Mirror],
) -> Settings {
    let settings = arguments.network.settings();
    let Some(login) = connection.map(|connection| &connection.aws_login) else { return settings };
    let is_chosen =
        || CHOICES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if !settings.aws.is_default() || is_chosen() {
        return settings;
    }
    if registries.is_empty()
        || registries.iter().any(|mirror| EcrRegistry::of_host(&mirror.registry).is_some())
    {
        for note in notes(login) {
            output::say(&note);
        }
    }
    Settings { aws: login.clone(), ..settings }
}

fn notes(login: &AwsLogin) -> Vec<String> {
    let mut notes = Vec::new();
    if !login.is_default() {
        let profile = login.profile.iter().map(|profile| format!("profile {profile}"));
        let role = login.role.iter().map(|role| format!("role {role}"));
        let named = profile.chain(role).collect::<Vec<_>>().join(" and ");
        notes.push(format!(
            "note: AWS is used with the {named} of the kubeconfig's user, as no other AWS credentials are chosen \
             (--profile, AWS_PROFILE)"
        ));
    }
    if !login.unused.is_empty() {
        notes.push(format!(
            "note: not used for AWS, although the kubeconfig's user sets it: {}; to use the same credentials, set all its \
             AWS_ variables in the environment",
            login.unused.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_name_what_is_used_and_what_is_not() {
        let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (profile, role, unused, expected) in [
            ("prod", "", &[][..], &["the profile prod of"][..]),
            ("", "r", &[], &["the role r of"]),
            ("a", "r", &[], &["the profile a and role r of"]),
            ("", "", &["AWS_ACCESS_KEY_ID"], &["sets it: AWS_ACCESS_KEY_ID;"]),
            ("a", "", &["AWS_CONFIG_FILE"], &["the profile a of", "sets it: AWS_CONFIG_FILE;"]),
            ("", "", &[], &[]),
        ] {
            let notes =
                notes(&AwsLogin { profile: part(profile), role: part(role), unused: unused.to_vec() });
            assert_eq!(notes.len(), expected.len(), "{notes:?}");
            assert!(notes.iter().zip(expected).all(|(note, words)| note.contains(words)), "{notes:?}");
        }
    }
}
