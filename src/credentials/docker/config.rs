//! The file of `docker login` (docker/cli `cli/config/configfile/file.go`), which Podman writes too. No I/O.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::printable::without_login;

/// Docker Hub's key, from the time of its first API.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The host that Docker Hub's images are pulled from.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// With or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Default)]
pub(super) struct Config {
    auths: BTreeMap<String, Stored>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Clone, Default)]
struct Stored {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// A login in the file.
#[derive(PartialEq, Eq)]
pub(super) enum Entry {
    Password { username: String, password: String },
    IdentityToken(String),
    RegistryToken(String),
}

impl Config {
    /// # Errors
    /// The place of what is wrong, without text of the file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| format!("invalid JSON at line {} column {}", error.line(), error.column()))?;
        let file = Object::read(&value, "the file")?;
        let auths = file.object("auths")?.entries().map(|(host, stored)| {
            let stored = Object::read(stored, &format!("{} in auths", without_login(host)))?;
            let [auth, username, password, identitytoken, registrytoken] =
                ["auth", "username", "password", "identitytoken", "registrytoken"]
                    .map(|name| stored.text(name));
            let stored = Stored {
                auth: auth?,
                username: username?,
                password: password?,
                identitytoken: identitytoken?,
                registrytoken: registrytoken?,
            };
            Ok((host.clone(), stored))
        });
        let helpers = file.object("credHelpers")?;
        let helpers = helpers.entries().map(|(host, _)| Ok((host.clone(), helpers.text(host)?)));
        Ok(Self {
            auths: auths.collect::<Result<_, String>>()?,
            cred_helpers: helpers.collect::<Result<_, String>>()?,
            creds_store: file.text("credsStore")?,
        })
    }

    /// The keys for a single namespace or repository, as `host/path` with the host that images are pulled from
    /// (containers-auth.json(5)).
    pub(super) fn namespaces(&self) -> impl Iterator<Item = String> {
        self.auths.keys().map(|key| split(key)).filter(|(_, path)| !path.is_empty()).map(|(host, path)| {
            let host = if is_docker_hub(&host) { DOCKER_HUB_API } else { &host };
            format!("{host}/{path}")
        })
    }

    /// The credential helper for a host, and the server to ask it for: logins are stored by the file's own key.
    pub(super) fn helper<'c>(&'c self, host: &'c str) -> Option<(&'c str, &'c str)> {
        if let Some((key, name)) = self.cred_helpers.iter().find(|(key, _)| is_for(key, host)) {
            return (!name.is_empty()).then_some((name, if is_docker_hub(host) { DOCKER_HUB } else { key }));
        }
        let key = self.auths.keys().find(|key| is_for(key, host)).map(String::as_str);
        let server = key.unwrap_or(if is_docker_hub(host) { DOCKER_HUB } else { host });
        (!self.creds_store.is_empty()).then_some((&self.creds_store, server))
    }

    /// The login for a host. Entries without content only say that a helper has it.
    ///
    /// # Errors
    /// What is wrong, without text of the file.
    pub(super) fn entry(&self, host: &str) -> Result<Option<Entry>, String> {
        let mut entries: Vec<_> = self.auths.iter().filter(|(key, _)| is_for(key, host)).collect();
        // As in Docker, the host itself takes precedence over a URL at that host.
        entries.sort_by_key(|(key, _)| key.contains("://") && !is_docker_hub(host));
        for auth in entries.into_iter().map(|(_, auth)| auth) {
            if !auth.identitytoken.is_empty() {
                return Ok(Some(Entry::IdentityToken(auth.identitytoken.clone())));
            }
            if !auth.registrytoken.is_empty() {
                return Ok(Some(Entry::RegistryToken(auth.registrytoken.clone())));
            }
            if !auth.auth.is_empty() {
                let invalid = || format!("auth of {host} is not the Base64 of user:password");
                // Editors and templates wrap long lines.
                let encoded: String = auth.auth.split_ascii_whitespace().collect();
                let decoded = LENIENT.decode(encoded).map_err(|_| invalid())?;
                let decoded = String::from_utf8(decoded).map_err(|_| invalid())?;
                let (username, password) = decoded.split_once(':').ok_or_else(invalid)?;
                // Docker once padded passwords with NUL.
                let (username, password) = (username.to_owned(), password.trim_end_matches('\0').to_owned());
                if !username.is_empty() || !password.is_empty() {
                    return Ok(Some(Entry::Password { username, password }));
                }
            }
            if !auth.username.is_empty() {
                let (username, password) = (auth.username.clone(), auth.password.clone());
                return Ok(Some(Entry::Password { username, password }));
            }
        }
        Ok(None)
    }
}

/// Whether a key of the file is for `name`: a host, or a namespace or repository at a host.
fn is_for(key: &str, name: &str) -> bool {
    let ((key_host, key_path), (host, path)) = (split(key), split(name));
    key_path == path && (key_host == host || (is_docker_hub(&key_host) && is_docker_hub(&host)))
}

/// Host and path of a key, which may also be the URL of a registry's API. As in Docker's `ConvertToHostname`, the path
/// of a URL has no meaning.
fn split(key: &str) -> (String, &str) {
    let url = key
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"));
    let url = url.map(|(_, rest)| rest);
    let rest = url.map_or(key, |url| url.split('/').next().unwrap_or(url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.to_ascii_lowercase();
    // Image names are without the default port.
    let host = host.strip_suffix(":443").unwrap_or(&host).to_owned();
    let path = path.trim_end_matches('/');
    (host, if matches!(path, "v1" | "v2") { "" } else { path })
}

fn is_docker_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | DOCKER_HUB_API)
}

/// An object of the file, read as Go does: `null` is the same as absence, and the case of keys does not matter.
struct Object<'v> {
    fields: Option<&'v Map<String, Value>>,
    /// For messages.
    name: String,
}

impl<'v> Object<'v> {
    fn read(value: &'v Value, name: &str) -> Result<Self, String> {
        let fields = match value {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            _ => return Err(format!("{name} is not an object")),
        };
        Ok(Self { fields, name: name.to_owned() })
    }

    fn field(&self, name: &str) -> &'v Value {
        let fields = self.fields.into_iter().flatten();
        let other =
            || fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next();
        self.fields.and_then(|fields| fields.get(name)).or_else(other).unwrap_or(&Value::Null)
    }

    fn object(&self, name: &str) -> Result<Self, String> {
        Self::read(self.field(name), name)
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.field(name) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            _ => Err(format!("{} in {} is not a string", without_login(name), self.name)),
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        self.fields.into_iter().flatten()
    }
}
