//! The root certificates of all our own clients.

use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Error;
use crate::printable::one_line;

/// The system's roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, on every platform, and those of `AWS_CA_BUNDLE`:
/// a proxy that inspects TLS also inspects the requests to registries and to Cast AI.
pub(super) fn all() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    roots.add_parsable_certificates(aws_bundle()?);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({})", one_line(&error.to_string(), 300)));
        return Err(Error::NoRoots(why.unwrap_or_default()));
    }
    Ok(roots)
}

/// The certificates of `AWS_CA_BUNDLE` that are valid roots.
///
/// # Errors
/// The file cannot be read, or has no certificate.
pub fn aws_bundle() -> Result<Vec<CertificateDer<'static>>, Error> {
    let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from)
    else {
        return Ok(Vec::new());
    };
    let wrong = |why: String| Error::Bundle { path: path.display().to_string(), why: one_line(&why, 300) };
    let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    let parsed = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let mut certificates = parsed.map_err(|error| wrong(error.to_string()))?;
    certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if certificates.is_empty() {
        return Err(wrong("no certificate in PEM found".to_owned()));
    }
    Ok(certificates)
}
