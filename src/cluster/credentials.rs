//! Credentials for the API server, from the kubeconfig's user and the flags, as headers and a client certificate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::connection_flags::ConnectionFlags;
use super::error::Error;
use super::exec_plugin::Plugin;
use super::identity::{Identity, bearer, header_value};
use super::kubeconfig::{Data, InvalidData, User};
use super::value_source::ValueSource;

/// How long a token from a file is used before the file is read again, as in client-go.
const FILE_LIFETIME: Duration = Duration::from_mins(1);

/// The source of the `Authorization` header.
pub(super) enum Authorization {
    None,
    Fixed(HeaderValue),
    File(TokenFile),
    Plugin(Plugin),
}

impl Authorization {
    /// Whether it may change during the client's lifetime.
    pub(super) const fn is_renewed(&self) -> bool {
        matches!(self, Self::File(_) | Self::Plugin(_))
    }

    /// The current header for a request.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::File(file) => Ok(Some(file.header().await)),
            Self::Plugin(plugin) => plugin.header().await,
        }
    }
}

/// A file with a token that another process renews.
pub(super) struct TokenFile {
    path: PathBuf,
    value_source: ValueSource,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// # Errors
    /// The file cannot be read, is empty, or holds no valid token.
    pub(super) fn open(path: PathBuf, value_source: ValueSource) -> Result<Self, Error> {
        let header = Self::read(&path, &value_source)?;
        Ok(Self { path, value_source, last: Mutex::new((header, Instant::now())) })
    }

    /// The token, at most a minute old. If the file cannot be read again, the previous token is used.
    pub(super) async fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().await;
        if last.1.elapsed() >= FILE_LIFETIME {
            let read = Self::read(&self.path, &self.value_source);
            *last = (read.unwrap_or_else(|_| last.0.clone()), Instant::now());
        }
        last.0.clone()
    }

    fn read(path: &Path, value_source: &ValueSource) -> Result<HeaderValue, Error> {
        let token = Self::token(path)
            .map_err(|why| Error::config(format!("{value_source}: {}: {why}", path.display()), None))?;
        bearer(&token, value_source)
    }

    /// Trims whitespace, as client-go does.
    fn token(path: &Path) -> Result<Vec<u8>, String> {
        let text = std::fs::read(path).map_err(|error| error.to_string())?;
        match text.trim_ascii() {
            [] => Err("it has no token".to_owned()),
            token => Ok(token.to_vec()),
        }
    }
}

/// The authorization from the flags and the kubeconfig's user, without a plugin, which the caller has to start. A flag
/// replaces all other credentials of the user.
pub(super) fn authorization(
    user: &User,
    name: &str,
    flags: &ConnectionFlags,
) -> Result<Authorization, Error> {
    let of = |field| ValueSource::user(field, name);
    if let Some(token) = flags.token.as_ref().filter(|token| !token.is_empty()) {
        return bearer(token.as_bytes(), &ValueSource::Flag("--token")).map(Authorization::Fixed);
    }
    if let Some(provider) = &user.auth_provider {
        let token =
            provider.config.get("id-token").filter(|_| matches!(provider.name.as_str(), "oidc" | "gcp"));
        let token = token.map(|token| token.0.expose_secret()).filter(|token| !token.is_empty());
        return match token {
            Some(token) => {
                bearer(token.as_bytes(), &of("id-token of the auth-provider")).map(Authorization::Fixed)
            }
            None => Err(Error::config(
                format!("unsupported {}: only oidc with an id-token is supported", of("auth-provider")),
                Some("use a credential plugin (exec), or pass --token"),
            )),
        };
    }
    let is_basic = user.username.is_some() || user.password.is_some();
    if (is_basic && user.token.is_some()) || (user.username.is_some() && user.token_file.is_some()) {
        return Err(Error::config(
            format!("user {name:?} has a username or password and a token, and only one is allowed"),
            Some("remove one of them from the kubeconfig, or pass --token"),
        ));
    }
    if let Some(username) = &user.username {
        return basic(username, user.password.as_ref(), &of("username")).map(Authorization::Fixed);
    }
    match (&user.token_file, &user.token) {
        // client-go uses the token as long as the file has none (`NewBearerAuthWithRefreshRoundTripper`).
        (Some(path), Some(_)) if TokenFile::token(Path::new(path)).is_ok() => {
            TokenFile::open(path.into(), of("tokenFile")).map(Authorization::File)
        }
        (_, Some(token)) => bearer(token.expose_secret().as_bytes(), &of("token")).map(Authorization::Fixed),
        (Some(path), None) => TokenFile::open(path.into(), of("tokenFile")).map(Authorization::File),
        (None, None) => Ok(Authorization::None),
    }
}

/// The header of a login with user and password.
pub(super) fn basic(
    user: &str,
    password: Option<&SecretString>,
    value_source: &ValueSource,
) -> Result<HeaderValue, Error> {
    let password = password.map(SecretString::expose_secret).unwrap_or_default();
    let login = STANDARD.encode(format!("{user}:{password}"));
    header_value(format!("Basic {login}").as_bytes(), value_source)
}

/// The client certificate and its key. A file set by flag takes precedence over the kubeconfig.
pub(super) fn identity(user: &User, name: &str, flags: &ConnectionFlags) -> Result<Option<Identity>, Error> {
    let read = |flag: &Option<PathBuf>, data: &Option<Data>, path: &Option<String>, names| {
        let (flag_name, field) = names;
        let value_source =
            if flag.is_some() { ValueSource::Flag(flag_name) } else { ValueSource::user(field, name) };
        let (data, path) = match flag {
            Some(path) => (None, Some(path.clone())),
            None => (data.as_ref(), path.as_ref().map(PathBuf::from)),
        };
        let bytes = match (data, path) {
            (Some(data), _) => {
                data.decode(&user.file).map_err(|fault| invalid_data(&fault, &value_source))?
            }
            (None, Some(path)) => std::fs::read(&path).map_err(|error| {
                Error::config(format!("{value_source}: {}: {error}", path.display()), None)
            })?,
            (None, None) => return Ok(None),
        };
        Ok(Some((bytes, value_source)))
    };
    let certificate = read(
        &flags.client_certificate,
        &user.client_certificate_data,
        &user.client_certificate,
        ("--client-certificate", "client-certificate"),
    )?;
    // As in client-go, a key without a certificate is not used.
    let Some((certificate, value_source)) = certificate else { return Ok(None) };
    let key =
        read(&flags.client_key, &user.client_key_data, &user.client_key, ("--client-key", "client-key"))?;
    let Some((key, key_origin)) = key else {
        return Err(Error::config(
            format!("{value_source} has no key"),
            Some("set client-key or client-key-data, or pass --client-key"),
        ));
    };
    Identity { certificate, key }.checked(&value_source, &key_origin).map(Some)
}

/// The error for kubeconfig data that is not valid Base64.
pub(super) fn invalid_data(fault: &InvalidData, value_source: &ValueSource) -> Error {
    Error::config(format!("loading config file {fault}: {value_source}: invalid Base64"), None)
}

/// The impersonation headers, as client-go's `ImpersonatingRoundTripper` sets them.
pub(super) fn impersonation(
    user: &User,
    name: &str,
    flags: &ConnectionFlags,
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let of =
        |is_flag, flag, field| if is_flag { ValueSource::Flag(flag) } else { ValueSource::user(field, name) };
    let mut headers = Vec::new();
    let mut push = |header: HeaderName, value: &str, value_source: &ValueSource| {
        headers.push((header, header_value(value.as_bytes(), value_source)?));
        Ok(())
    };
    let flag = flags.impersonate.as_ref().filter(|name| !name.is_empty());
    if let Some(value) = flag.or(user.impersonate.as_ref()) {
        push(HeaderName::from_static("impersonate-user"), value, &of(flag.is_some(), "--as", "as"))?;
    }
    let flag = flags.impersonate_uid.as_ref().filter(|uid| !uid.is_empty());
    if let Some(value) = flag.or(user.impersonate_uid.as_ref()) {
        push(HeaderName::from_static("impersonate-uid"), value, &of(flag.is_some(), "--as-uid", "as-uid"))?;
    }
    let flag = !flags.impersonate_groups.is_empty();
    for value in if flag { &flags.impersonate_groups } else { &user.impersonate_groups } {
        push(HeaderName::from_static("impersonate-group"), value, &of(flag, "--as-group", "as-groups"))?;
    }
    let flag = !flags.impersonate_extra.is_empty();
    let of_user = || {
        user.impersonate_extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
    };
    let of_flag = || flags.impersonate_extra.iter().map(|(key, value)| (key, value));
    for (key, value) in if flag { of_flag().collect::<Vec<_>>() } else { of_user().collect() } {
        let value_source = of(flag, "--as-user-extra", "as-user-extra");
        let header = format!("impersonate-extra-{}", escaped(key));
        let header: HeaderName = header
            .parse()
            .map_err(|_| Error::config(format!("{value_source} is invalid: a key is too long"), None))?;
        push(header, value, &value_source)?;
    }
    if headers.first().is_some_and(|(header, _)| header.as_str() != "impersonate-user") {
        return Err(Error::config(
            format!("user {name:?}: uid, groups or extra values are impersonated without a user"),
            Some("set `as` in the kubeconfig, or pass --as"),
        ));
    }
    Ok(headers)
}

/// Percent-encodes characters that are invalid in a header name, and the percent sign (client-go `headerKeyEscape`).
fn escaped(key: &str) -> String {
    use std::fmt::Write as _;
    key.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            text.push(char::from(byte.to_ascii_lowercase()));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02x}");
        }
        text
    })
}

#[cfg(test)]
mod tests;
