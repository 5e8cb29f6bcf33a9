//! What profiles contain that the SDK does not support.

use std::path::PathBuf;

/// The profile of this name, or the default one, cannot be used without an MFA code. The SDK has no support for it: it
/// ignores `mfa_serial` (aws-config 1.13.0), and AWS denies the role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the AWS profile {profile} requires an MFA code")]
pub(super) struct MfaRequired {
    pub profile: String,
}

impl MfaRequired {
    /// Whether the profile that is used requires MFA.
    pub(super) fn find(profile: Option<&str>) -> Option<Self> {
        let named = || ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().find_map(variable);
        let profile = profile.map(str::to_owned).or_else(named).unwrap_or_else(|| "default".to_owned());
        let texts = files().into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let found = texts.into_iter().any(|text| has_mfa_device(&text, &profile));
        found.then_some(Self { profile })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The files with profiles, as the SDK and the AWS CLI find them.
fn files() -> Vec<PathBuf> {
    let files = [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let default = |name: &str| Some(std::env::home_dir()?.join(".aws").join(name));
    let find = |(name, file)| variable(name).map(PathBuf::from).or_else(|| default(file));
    files.into_iter().filter_map(find).collect()
}

/// Whether a section of `profile` has `mfa_serial`.
fn has_mfa_device(text: &str, profile: &str) -> bool {
    let mut is_wanted = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let name = name.trim();
            is_wanted =
                name.strip_prefix("profile").map_or(name, str::trim_start) == profile || name == profile;
        } else if is_wanted && line.split('=').next().is_some_and(|key| key.trim() == "mfa_serial") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_profile_decides() {
        let text = "[default]\nregion = us-east-1\n[profile  ops]\nrole_arn=r\nmfa_serial = arn:aws:iam::1:mfa/x\n\
                    [other]\n  mfa_serial=x\n[profile none]\n#mfa_serial = x\n";
        for (profile, expected) in
            [("ops", true), ("other", true), ("default", false), ("none", false), ("x", false)]
        {
            assert_eq!(has_mfa_device(text, profile), expected, "{profile}");
        }
    }
}
