//! The AWS configuration files, read as the SDK reads them, and what they say of the profile in use.

use std::path::{Path, PathBuf};

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind as Kind, EnvConfigFiles};
use aws_runtime::env_config::property::PropertiesKey;

use crate::aws::endpoint;
use crate::parse::encoding::{self, BYTE_ORDER_MARK, NotText};
use crate::printable::one_line;
use crate::transport::Error;
use crate::transport::fault::causes;

/// The profile in use, and all files for the SDK.
pub(super) struct Profiles {
    pub(super) files: EnvConfigFiles,
    pub(super) profile: Profile,
}

/// What the files say of the profile in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: String,
    /// Whether a flag or a variable names it.
    pub(super) is_named: bool,
    pub(super) origin: Origin,
    pub(super) requires_mfa: bool,
    /// All profiles, sorted.
    pub(super) known: Vec<String>,
    /// A file and the section of this name that the SDK ignores, because it is not written as the profile of a file of
    /// this kind.
    pub(super) ignored: Option<(PathBuf, String)>,
}

/// Where the credentials of a profile come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// There is no such profile.
    #[default]
    Missing,
    /// It has no credentials, only settings.
    Nothing,
    Keys,
    Process,
    /// `aws sso login`.
    IdentityCenter,
    /// `aws login`.
    Login,
    /// A token in this file, for this role.
    WebIdentity {
        file: String,
        role: String,
    },
    Role(String),
}

/// The text of one file.
struct File {
    kind: Kind,
    path: PathBuf,
    text: String,
}

impl Profiles {
    /// Reads the files. `flag` is the profile that the user or the kubeconfig names.
    ///
    /// # Errors
    /// A file is not valid, or an endpoint in it.
    pub(super) async fn read(flag: Option<&str>) -> Result<Self, Error> {
        let variable = |name| std::env::var(name).ok();
        let named = flag
            .map(str::to_owned)
            .or_else(|| variable("AWS_PROFILE"))
            .or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let mut files = Vec::new();
        for (kind, path) in paths() {
            // As in the AWS CLI, a file that cannot be read counts as absent.
            if let Ok(bytes) = std::fs::read(&path) {
                files.push(File { kind, text: decoded(&path, bytes)?, path });
            }
        }
        Self::parse(&files, named).await
    }

    async fn parse(files: &[File], named: Option<String>) -> Result<Self, Error> {
        // One by one, because errors of the SDK name the file only if it has read it.
        for file in files {
            let parsed = parsed(of_texts(std::slice::from_ref(file))).await;
            parsed.map_err(|why| Error::AwsFile { path: file.path.clone(), why })?;
        }
        let sdk = of_texts(files);
        let set = parsed(sdk.clone()).await.unwrap_or_default();
        let is_named = named.is_some();
        let name = named.unwrap_or_else(|| "default".to_owned());
        check_endpoints(&set, &name)?;
        let known = {
            let mut known: Vec<_> = set.profiles().map(|name| one_line(name, 100)).collect();
            known.sort();
            known
        };
        let profile = Profile {
            is_named,
            origin: origin(&set, &name),
            requires_mfa: set.get_profile(&name).is_some_and(|profile| profile.get("mfa_serial").is_some()),
            known,
            ignored: files.iter().find_map(|file| ignored(file, &name)),
            name: one_line(&name, 1000),
        };
        Ok(Self { files: sdk, profile })
    }
}

/// The files with profiles, as the SDK and the AWS CLI find them.
fn paths() -> Vec<(Kind, PathBuf)> {
    let files = [
        (Kind::Config, "AWS_CONFIG_FILE", "config"),
        (Kind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ];
    let home = std::env::home_dir();
    let find = |(kind, variable, file)| {
        let path = match std::env::var_os(variable) {
            Some(path) => expanded(path.into(), home.as_deref()),
            None => home.as_ref()?.join(".aws").join(file),
        };
        Some((kind, path))
    };
    files.into_iter().filter_map(find).collect()
}

fn expanded(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

fn decoded(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    // The text before the first invalid byte.
    let line = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().matches('\n').count()) + 1;
    let text = encoding::decode(bytes).map_err(|error| match error {
        NotText::Utf8 => format!("line {line}: {error}"),
        _ => error.to_string(),
    });
    let text = text.map_err(|why| Error::AwsFile { path: path.to_owned(), why })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}

fn of_texts(files: &[File]) -> EnvConfigFiles {
    // The SDK panics without files.
    let builder = EnvConfigFiles::builder().with_contents(Kind::Config, "");
    files
        .iter()
        .fold(builder, |builder, file| builder.with_contents(file.kind, without_empty_endpoints(&file.text)))
        .build()
}

/// An empty endpoint counts as absent. The SDK panics at it (aws-smithy-types 1.9.3, `endpoint::Builder::build`).
fn without_empty_endpoints(text: &str) -> String {
    let is_empty = |line: &&str| {
        line.split_once('=').is_some_and(|(key, value)| {
            let value = value.trim();
            key.trim().eq_ignore_ascii_case("endpoint_url")
                && (value.is_empty() || value.starts_with(['#', ';']))
        })
    };
    // The numbers of lines stay.
    let lines: Vec<_> = text.lines().map(|line| if is_empty(&line) { "" } else { line }).collect();
    lines.join("\n")
}

/// All profiles. The error is without the name of the file, as `line 2: Expected a profile definition`.
#[expect(clippy::default_trait_access, reason = "the SDK does not export the types")]
async fn parsed(files: EnvConfigFiles) -> Result<ProfileSet, String> {
    let set = profile::load(&Default::default(), &Default::default(), &files, None).await;
    set.map_err(|error| {
        let causes = causes(&error);
        let text = causes.last().map(ToString::to_string).unwrap_or_default();
        // "error parsing <file> on line 2:\n  Expected a profile definition"
        let place = text.split_once(" on line ").map(|(_, place)| format!("line {place}"));
        place.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// Endpoints of the profile, and of the services that this program uses, in the profile's `services` section.
fn check_endpoints(set: &ProfileSet, name: &str) -> Result<(), Error> {
    let Some(profile) = set.get_profile(name) else { return Ok(()) };
    let of_service = |service: &str| {
        let key = PropertiesKey::builder().section_key("services").section_name(profile.get("services")?);
        let key = key.property_name(service).sub_property_name("endpoint_url").build().ok()?;
        Some(set.other_sections().get(&key)?.to_owned())
    };
    let urls = [profile.get("endpoint_url").map(str::to_owned), of_service("ecr"), of_service("sts")];
    for url in urls.into_iter().flatten() {
        if !endpoint::is_valid(&url) {
            return Err(Error::Endpoint(format!("endpoint_url of the AWS profile {}", one_line(name, 100))));
        }
    }
    Ok(())
}

fn origin(set: &ProfileSet, name: &str) -> Origin {
    let Some(profile) = set.get_profile(name) else { return Origin::Missing };
    let has = |keys: &[&str]| keys.iter().any(|key| profile.get(key).is_some());
    // In the order of the SDK (aws-config 1.13.0, `profile/credentials/repr.rs`).
    let role = profile.get("role_arn").map(|role| one_line(role, 300));
    match (role, profile.get("web_identity_token_file")) {
        (Some(role), Some(file)) => Origin::WebIdentity { file: one_line(file, 300), role },
        (Some(role), None) => Origin::Role(role),
        _ if has(&["sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "sso_region"]) => {
            Origin::IdentityCenter
        }
        _ if has(&["login_session"]) => Origin::Login,
        _ if has(&["credential_process"]) => Origin::Process,
        _ if has(&["aws_access_key_id", "aws_secret_access_key", "credential_source"]) => Origin::Keys,
        _ => Origin::Nothing,
    }
}

/// The section for a profile that the SDK does not find. The AWS CLI reads quoted names and names with spaces too.
fn ignored(file: &File, name: &str) -> Option<(PathBuf, String)> {
    let mut sections =
        file.text.lines().filter_map(|line| line.trim_end().strip_prefix('[')?.split(']').next());
    let section = sections.find(|section| {
        let section = section.trim();
        let rest = section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t']));
        rest.unwrap_or(section).trim().trim_matches(['"', '\'']) == name
    })?;
    Some((file.path.clone(), format!("[{}]", one_line(section, 100))))
}

#[cfg(test)]
mod tests;
