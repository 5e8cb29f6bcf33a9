//! Why AWS credentials that were chosen cannot be used, from the SDK's error and the profile in use.

use std::error::Error as _;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use crate::aws::profile::{Origin, Profile};
use crate::printable::{one_line, without_login, word};
use crate::transport::fault::{Fault, causes};

/// Maximum length of repeated text, in characters.
const LIMIT: usize = 300;

pub(super) const LOG_IN: &str = "log in (aws login, aws sso login, aws configure) or set AWS_PROFILE";

/// Prefix of aws-config's errors of an external program (1.13.0, `credential_process.rs`).
const PROCESS: &str = "external process";

/// Prefix of aws-config's errors of a profile (1.13.0, `profile/credentials.rs`).
const PROFILE: &str = "ProfileFile provider could not be built: ";

/// Prefix of the profile's line in aws-config's error of the whole chain (1.13.0, `meta/credentials/chain.rs`).
const IN_CHAIN: &str = "Profile: the credential provider was not enabled: ";

/// What cannot be used and why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {hint}")]
pub struct CredentialProblem {
    pub problem: String,
    pub hint: String,
}

impl CredentialProblem {
    fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }

    /// An access key ID or a session token has a character that cannot be sent.
    pub(super) fn of_text(what: &str) -> Self {
        Self::new(
            format!("invalid AWS {what}: it has a line break, a space or another invalid character"),
            "correct it in the environment or the profile",
        )
    }

    /// `role` is what the credentials are for, if it is not the profile's. `None` if nothing was chosen, if the
    /// credentials have expired, or if TLS or a proxy is the cause: these errors are known without the profile.
    pub(super) fn find(error: &CredentialsError, profile: &Profile, role: Option<&str>) -> Option<Self> {
        let chain = causes(error);
        if let Some(known) = chain.iter().find_map(|cause| cause.downcast_ref::<Self>()) {
            return Some(known.clone());
        }
        let texts: Vec<_> = chain.iter().map(ToString::to_string).collect();
        if Fault::classify(error).is_some() || texts.iter().any(|text| text.contains("xpired")) {
            return None;
        }
        if matches!(error, CredentialsError::CredentialsNotLoaded(_)) && role.is_none() {
            return Self::of_profile(error, profile);
        }
        if texts.iter().any(|text| text.contains(PROCESS)) {
            // The rest is output of the program, which may be secret.
            return Some(Self::new(
                format!("the credential_process of {} failed or printed no credentials", named(profile)),
                "run it by hand to see why",
            ));
        }
        let refusal = chain.iter().find_map(|cause| {
            let role = cause.downcast_ref::<AssumeRoleError>().map(AssumeRoleError::meta);
            role.or_else(|| Some(cause.downcast_ref::<AssumeRoleWithWebIdentityError>()?.meta()))
        });
        if let Some(refusal) = refusal {
            return Some(Self::of_role(refusal.code(), refusal.message(), profile, role));
        }
        let reason = reason(&texts);
        if let Some(why) = texts.iter().find_map(|text| text.strip_prefix(PROFILE)) {
            let problem =
                format!("{} is invalid: {}", named(profile), one_line(why, LIMIT).trim_end_matches('.'));
            return Some(Self::new(problem, "correct it in the AWS configuration"));
        }
        let is_missing = chain.iter().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
        });
        let is_answer = texts.iter().any(|text| text == "service error");
        let name = word(&profile.name, "PROFILE");
        Some(match &profile.origin {
            Origin::IdentityCenter if is_answer => Self::new(
                // The SDK often gives no reason.
                if reason == texts[0] {
                    format!("IAM Identity Center refuses credentials for {}", named(profile))
                } else {
                    format!("IAM Identity Center refuses credentials for {} ({reason})", named(profile))
                },
                format!(
                    "check its sso_account_id and sso_role_name, or log in again: aws sso login --profile {name}"
                ),
            ),
            Origin::IdentityCenter => Self::new(
                format!("no session of aws sso login for {} ({reason})", named(profile)),
                format!("run: aws sso login --profile {name}"),
            ),
            Origin::Login => Self::new(
                format!("no session of aws login for {} ({reason})", named(profile)),
                format!("run: aws login --profile {name}"),
            ),
            Origin::WebIdentity { file, .. } if is_missing => Self::new(
                format!("cannot read the web_identity_token_file {file} of {}: {reason}", named(profile)),
                "correct its path in the profile",
            ),
            Origin::Missing | Origin::Nothing => Self::of_environment(&reason),
            _ => Self::new(format!("cannot get the AWS credentials of {}: {reason}", named(profile)), LOG_IN),
        })
    }

    /// Nothing has credentials: a profile that the user names should have some.
    fn of_profile(error: &CredentialsError, profile: &Profile) -> Option<Self> {
        let name = &profile.name;
        match (&profile.origin, &profile.ignored) {
            (Origin::Missing, Some((file, section))) => Some(Self::new(
                format!("the AWS SDK cannot read the profile {name} from {section} in {}", file.display()),
                "write it as [profile NAME] in the config file or [NAME] in the credentials file, without quotes and \
                 spaces in the name",
            )),
            (Origin::Missing, None) if profile.is_named => Some(Self::new(
                format!("the AWS profile {name} does not exist"),
                match profile.known.as_slice() {
                    [] => "the AWS configuration has no profiles: run aws configure or aws login".to_owned(),
                    known => format!("available: {}", known.join(", ")),
                },
            )),
            (Origin::Nothing, _) if profile.is_named => Some(Self::new(
                format!("the AWS profile {name} has no credentials, only settings"),
                format!(
                    "log in (aws login, aws sso login or aws configure, with --profile {})",
                    word(name, "PROFILE")
                ),
            )),
            (Origin::Missing | Origin::Nothing, _) => None,
            // For example, a profile that it refers to does not exist.
            _ => error.source().map(|why| {
                let why = why.to_string();
                // The chain lists every source, each on a line.
                let line = why.lines().find_map(|line| line.trim().strip_prefix(IN_CHAIN)).unwrap_or(&why);
                let problem =
                    format!("{} is invalid: {}", named(profile), one_line(line, LIMIT).trim_end_matches('.'));
                Self::new(problem, "correct it in the AWS configuration")
            }),
        }
    }

    /// STS refused the role of the flag, the profile or the environment.
    fn of_role(code: Option<&str>, message: Option<&str>, profile: &Profile, role: Option<&str>) -> Self {
        let code = code.unwrap_or("an error without a code");
        if code == "AccessDenied" && profile.requires_mfa {
            return Self::mfa(&profile.name);
        }
        let (call, role) = match (role, &profile.origin) {
            (Some(role), _) => ("sts:AssumeRole", format!(" on {role}")),
            (None, Origin::Role(role)) => ("sts:AssumeRole", format!(" on {role} of {}", named(profile))),
            (None, Origin::WebIdentity { role, .. }) => {
                ("sts:AssumeRoleWithWebIdentity", format!(" on {role} of {}", named(profile)))
            }
            (None, _) => {
                let role = std::env::var("AWS_ROLE_ARN").map(|role| format!(" on {role} (AWS_ROLE_ARN)"));
                ("sts:AssumeRoleWithWebIdentity", role.unwrap_or_default())
            }
        };
        let message =
            message.map(|message| format!(": {}", message.trim_end_matches('.'))).unwrap_or_default();
        Self::new(
            one_line(&format!("{call}{role} failed: {code}{message}"), 2 * LIMIT),
            match code {
                "AccessDenied" => {
                    "allow it in the trust policy of the role and in the IAM policy of the caller"
                }
                _ => "check the role, and the credentials that it is assumed with",
            },
        )
    }

    /// The AWS CLI prompts for the code, and prints credentials of a session. The SDK ignores `mfa_serial` (aws-config
    /// 1.13.0), and AWS denies the role.
    fn mfa(profile: &str) -> Self {
        Self::new(
            format!("the AWS profile {profile} requires an MFA code, which only the AWS CLI asks for"),
            format!(
                "run: eval \"$(aws configure export-credentials --profile {} --format env)\", and run again",
                word(profile, "PROFILE")
            ),
        )
    }

    /// The sources after the profile: a web identity token, the container's service or that of the machine.
    fn of_environment(reason: &str) -> Self {
        let variables = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ];
        match variables.into_iter().find_map(|name| Some((name, std::env::var(name).ok()?))) {
            Some((name, value)) => {
                let problem = format!(
                    "cannot get AWS credentials from {name} ({}): {reason}",
                    one_line(&without_login(&value), LIMIT)
                );
                Self::new(problem, "correct the variable, or unset it to use another source")
            }
            None => Self::new(format!("cannot get AWS credentials: {reason}"), LOG_IN),
        }
    }
}

fn named(profile: &Profile) -> String {
    format!("the AWS profile {}", profile.name)
}

/// The innermost text that says something: the SDK's last ones may be debug output, or only a kind of error.
fn reason(texts: &[String]) -> String {
    const EMPTY: [&str; 4] = ["Error", "unhandled error", "service error", "dispatch failure"];
    let is_debug = |text: &str| text.starts_with("Error {") || EMPTY.contains(&text);
    let text = texts.iter().rev().find(|text| !is_debug(text));
    let text = text.map(String::as_str).unwrap_or_default();
    let code = text.strip_prefix("unhandled error (").and_then(|rest| rest.strip_suffix(')'));
    one_line(code.unwrap_or(text), LIMIT)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::error::{ErrorMetadata, SdkError};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("unhandled error: NotFound")]
    struct NotFound;

    fn profile(origin: Origin) -> Profile {
        Profile { name: "p".to_owned(), is_named: true, origin, ..Profile::default() }
    }

    fn said(error: &CredentialsError, profile: &Profile, role: Option<&str>) -> String {
        CredentialProblem::find(error, profile, role).map_or_else(String::new, |problem| problem.to_string())
    }

    #[test]
    fn what_failed_is_named() {
        let role = || Origin::Role("arn:aws:iam::1:role/r".to_owned());
        let refusal = |code: &str| {
            let metadata = ErrorMetadata::builder().code(code).message("User: u is not authorized.").build();
            CredentialsError::provider_error(AssumeRoleError::generic(metadata))
        };
        let missing = || CredentialsError::provider_error(io::Error::from(io::ErrorKind::NotFound));
        let not_loaded = || CredentialsError::not_loaded("no credentials found in chain");
        let invalid = |why: &str| CredentialsError::invalid_configuration(format!("{PROFILE}{why}"));
        let token = Origin::WebIdentity { file: "/token".to_owned(), role: "r".to_owned() };
        let with = |known: &[&str], ignored: Option<&str>| Profile {
            known: known.iter().map(|name| (*name).to_owned()).collect(),
            ignored: ignored.map(|section| ("/config".into(), section.to_owned())),
            ..profile(Origin::Missing)
        };
        let cases = [
            (
                refusal("AccessDenied"),
                profile(role()),
                "sts:AssumeRole on arn:aws:iam::1:role/r of the AWS profile p failed: AccessDenied: User: u is not \
                 authorized: allow it in the trust policy",
            ),
            (
                refusal("AccessDenied"),
                Profile { requires_mfa: true, ..profile(role()) },
                "the AWS profile p requires an MFA code, which only the AWS CLI asks for: run: eval",
            ),
            (
                refusal("InvalidClientTokenId"),
                profile(role()),
                "sts:AssumeRole on arn:aws:iam::1:role/r of the AWS profile p failed: InvalidClientTokenId: ",
            ),
            (refusal("ExpiredToken"), profile(role()), ""),
            (
                missing(),
                profile(Origin::Login),
                "no session of aws login for the AWS profile p (entity not found): ",
            ),
            (
                missing(),
                profile(Origin::IdentityCenter),
                "no session of aws sso login for the AWS profile p (entity not found): run: aws sso login --profile p",
            ),
            (
                missing(),
                profile(token),
                "cannot read the web_identity_token_file /token of the AWS profile p: entity not found: ",
            ),
            (missing(), profile(Origin::Missing), "cannot get AWS credentials: entity not found: "),
            (
                CredentialsError::provider_error(SdkError::service_error(NotFound, ())),
                profile(Origin::IdentityCenter),
                "IAM Identity Center refuses credentials for the AWS profile p (unhandled error: NotFound): check its",
            ),
            (not_loaded(), with(&["a", "b"], None), "the AWS profile p does not exist: available: a, b"),
            (
                not_loaded(),
                with(&[], None),
                "the AWS profile p does not exist: the AWS configuration has no profiles",
            ),
            (
                not_loaded(),
                with(&[], Some("[p]")),
                "the AWS SDK cannot read the profile p from [p] in /config: write it as [profile NAME]",
            ),
            (
                not_loaded(),
                profile(Origin::Nothing),
                "the AWS profile p has no credentials, only settings: log in",
            ),
            (not_loaded(), Profile { is_named: false, ..profile(Origin::Nothing) }, ""),
            (
                CredentialsError::not_loaded("profile `q` was not defined"),
                profile(role()),
                "the AWS profile p is invalid: profile `q` was not defined: correct it",
            ),
            (
                CredentialsError::not_loaded(
                    "no credentials found in chain. Attempted:\n  Environment: x\n  Profile: the credential provider was \
                     not enabled: selected profile is partial.\n  Ec2: x",
                ),
                profile(Origin::IdentityCenter),
                "the AWS profile p is invalid: selected profile is partial: correct it",
            ),
            (
                invalid("missing credential source"),
                profile(role()),
                "the AWS profile p is invalid: missing credential source: correct it",
            ),
            (
                CredentialsError::provider_error("external process printed s3cret"),
                profile(Origin::Process),
                "the credential_process of the AWS profile p failed or printed no credentials: run it by hand",
            ),
        ];
        for (error, profile, expected) in cases {
            let text = said(&error, &profile, None);
            assert!(text.starts_with(expected) && text.is_empty() == expected.is_empty(), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
        let role = said(&refusal("AccessDenied"), &profile(Origin::Keys), Some("arn:x"));
        assert!(role.starts_with("sts:AssumeRole on arn:x failed: AccessDenied: "), "{role}");
    }

    #[test]
    fn a_reason_is_no_debug_output() {
        for (texts, expected) in [
            (&["an error occurred", "service error", "unhandled error (NotFound)", "Error"][..], "NotFound"),
            (&["an error occurred", "unhandled error", "Error { code: \"X\" }"], "an error occurred"),
            (&["a", "b\nc"], "b c"),
        ] {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(reason(&texts), expected);
        }
    }
}
