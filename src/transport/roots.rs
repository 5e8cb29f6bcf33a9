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
    let certificates = certificates(&pem);
    if certificates.is_empty() {
        return Err(wrong("no certificate in PEM found".to_owned()));
    }
    Ok(certificates)
}

/// The certificates in a PEM text that can be roots. Other blocks are skipped, as Go's `AppendCertsFromPEM` does.
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    // The parser stops at the first invalid block, so it gets one block at a time.
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begins = pem.windows(BEGIN.len()).enumerate().filter(|(index, window)| {
        *window == BEGIN && (*index == 0 || matches!(pem[*index - 1], b'\n' | b'\r'))
    });
    let mut begins: Vec<_> = begins.map(|(index, _)| index).collect();
    begins.push(pem.len());
    let blocks = begins.windows(2).map(|ends| &pem[ends[0]..ends[1]]);
    let certificates = blocks.filter_map(|block| CertificateDer::from_pem_slice(block).ok());
    certificates.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUShL9GQeeS9KI7579zIQQzOnHXMswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBcjAgFw0yNjExMjcwODA0MTBaGA8yMTI2MTEwMzA4MDQxMFow
DDEKMAgGA1UEAwwBcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBLiZN0+wIQ+
7x4CYl8px2PQQjm9Z6S73cxzarcO+tPOQXWU8GmOG7vIt9jvX7UJCVryP015gUUu
fVFfP+/M67ejUzBRMB0GA1UdDgQWBBRVcG+5ga/2Ij8xLl0fYbCk2X+4nzAfBgNV
HSMEGDAWgBRVcG+5ga/2Ij8xLl0fYbCk2X+4nzAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIB8nsRdeJ4Cp46wwv6KL01bvMn3Pd+g2WqDbD8UMB00v
AiBdCzjAVWiSoSnG8GkRJyzvBPL4SaQvFPEOLKtNRGJNCQ==
-----END CERTIFICATE-----
";

    #[test]
    fn invalid_blocks_of_a_bundle_are_skipped() {
        const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        const NO_BASE64: &str = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        const KEY: &str = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
        const NO_END: &str = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n";
        const NOTE: &str = "# -----BEGIN a note\n";
        let header = CERTIFICATE.replace("CATE-----\nM", "CATE-----\nA: b\n\nM");
        for other in [NO_CERTIFICATE, NO_BASE64, KEY, NO_END, NOTE, &header, "text\n"] {
            assert_eq!(certificates(other.as_bytes()), [], "{other}");
            for bundle in [format!("{other}{CERTIFICATE}"), format!("{CERTIFICATE}{other}{CERTIFICATE}")] {
                let count = bundle.matches(CERTIFICATE).count();
                assert_eq!(certificates(bundle.as_bytes()).len(), count, "{bundle}");
            }
        }
        let crlf = CERTIFICATE.replace('\n', "\r\n");
        assert_eq!(certificates(crlf.as_bytes()).len(), 1);
    }
}
