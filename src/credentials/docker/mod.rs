//! Logins of `docker login`, `podman login` and their credential helpers.

mod config;
mod helper;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use self::config::{Config, Entry};
use super::Credentials;
use crate::transport::credential::{Consequence, Credential, CredentialError, Login};

/// Maximum size of a file, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// The text and the files to look into, in this order.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The value of [`VARIABLE`].
    text: Option<SecretString>,
    paths: Vec<PathBuf>,
}

/// A whole file, as GitLab CI and Docker 28.3 read it.
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

impl Files {
    /// `DOCKER_AUTH_CONFIG`, and the files of this user. `REGISTRY_AUTH_FILE` (containers-auth.json(5)) and `DOCKER_CONFIG` name one each; without
    /// them, Docker's file and then those of Podman are read.
    pub fn from_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut files: Vec<PathBuf> = set("REGISTRY_AUTH_FILE").into_iter().collect();
        let home = std::env::home_dir();
        let docker = set("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
        files.extend(docker.map(|folder| folder.join("config.json")));
        if set("REGISTRY_AUTH_FILE").is_none() {
            files.extend(set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
            let config = set("XDG_CONFIG_HOME").or_else(|| Some(home?.join(".config")));
            files.extend(config.map(|folder| folder.join("containers/auth.json")));
        }
        let text = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        Self { text: text.map(SecretString::from), paths: files }
    }

    /// Each configuration that there is, and where it comes from.
    fn configs(&self) -> impl Iterator<Item = (String, Result<Option<Config>, CredentialError>)> {
        let text = self.text.iter().map(|text| {
            let config = Config::parse(text.expose_secret().as_bytes()).map(Some);
            (VARIABLE.to_owned(), config.map_err(|error| unavailable(format!("{VARIABLE}: {error}"))))
        });
        text.chain(self.paths.iter().map(|path| (path.display().to_string(), read(path))))
    }

    /// The namespaces and repositories that have a login of their own, as `host/path`, in files that can be read.
    pub fn namespaces(&self) -> Vec<String> {
        let configs = self.configs().filter_map(|(_, config)| config.ok().flatten());
        configs.flat_map(|config| config.namespaces().collect::<Vec<_>>()).collect()
    }
}

pub(super) fn find<'c>(
    credentials: &'c Credentials,
    name: &'c str,
) -> BoxFuture<'c, Result<Option<Credential>, CredentialError>> {
    async move {
        let mut unavailable = None;
        for (origin, config) in credentials.docker.configs() {
            let found = match config {
                Ok(Some(config)) => of_config(&config, &origin, name).await,
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            match found {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                // Another file may have a login.
                Err(error) => {
                    unavailable.get_or_insert(error);
                }
            }
        }
        unavailable.map_or(Ok(None), Err)
    }
    .boxed()
}

/// The login that a file or its helpers have for `name`.
async fn of_config(config: &Config, origin: &str, name: &str) -> Result<Option<Credential>, CredentialError> {
    let mut failure = None;
    if let Some((helper, server)) = config.helper(name) {
        match helper::get(helper, server).await {
            Ok(Some(answer)) => {
                let origin = format!("docker-credential-{helper}");
                return Ok(Some(Credential { login: login(&answer.username, &answer.secret), origin }));
            }
            Ok(None) => {}
            Err(error) => failure = Some(unavailable(format!("{origin} ({error})"))),
        }
    }
    let entry = config.entry(name).map_err(|error| unavailable(format!("{origin}: {error}")))?;
    let Some(entry) = entry else { return failure.map_or(Ok(None), Err) };
    Ok(Some(Credential {
        login: match entry {
            Entry::Password { username, password } => login(&username, &password),
            Entry::IdentityToken(token) => Login::IdentityToken(token.into()),
            Entry::RegistryToken(token) => Login::RegistryToken(token.into()),
        },
        origin: origin.to_owned(),
    }))
}

fn login(username: &str, secret: &str) -> Login {
    // docker-credential-helpers: this user name says that the secret is an identity token.
    if username == "<token>" {
        return Login::IdentityToken(secret.to_owned().into());
    }
    Login::Password(STANDARD.encode(format!("{username}:{secret}")).into())
}

/// The file, if there is one. Its text is never part of an error.
fn read(path: &Path) -> Result<Option<Config>, CredentialError> {
    let wrong = |what: &str| unavailable(format!("{}: {what}", path.display()));
    // A directory or a pipe would not end.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(wrong("not a regular file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(&error.to_string()))?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error.to_string()))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(wrong("longer than 1 MiB"));
    }
    Config::parse(&bytes).map(Some).map_err(|error| wrong(&error))
}

fn unavailable(message: String) -> CredentialError {
    CredentialError { message, consequence: Consequence::Anonymous }
}

#[cfg(test)]
mod tests;
