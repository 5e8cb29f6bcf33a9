//! The lab's certificate authority, which signs all certificates in the lab.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// A certificate with its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// The authority; kept with a seeded state, because stored objects of the cluster contain it.
pub struct Authority {
    pub certificate: String,
    key: String,
}

impl Authority {
    /// Reads `ca.pem` and `ca-key.pem` in `folder`, or creates them.
    pub fn load_or_create(folder: &Path) -> anyhow::Result<Self> {
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        if key_path.exists() {
            return Ok(Self {
                certificate: std::fs::read_to_string(certificate_path)?,
                key: std::fs::read_to_string(key_path)?,
            });
        }
        std::fs::create_dir_all(folder)?;
        let key = KeyPair::generate()?;
        let certificate = authority_parameters().self_signed(&key)?.pem();
        std::fs::write(certificate_path, &certificate)?;
        std::fs::write(key_path, key.serialize_pem())?;
        Ok(Self { certificate, key: key.serialize_pem() })
    }

    /// A certificate for servers (`names`: host names or addresses) and clients (`common_name`, `organization`:
    /// Kubernetes' user and group).
    pub fn issue(
        &self,
        common_name: &str,
        organization: Option<&str>,
        names: &[&str],
    ) -> anyhow::Result<Identity> {
        self.sign(&leaf_parameters(common_name, organization, names)?)
    }

    /// A certificate for a server called `name` that expired at the end of 2019.
    pub fn issue_expired(&self, name: &str) -> anyhow::Result<Identity> {
        let mut parameters = leaf_parameters(name, None, &[name])?;
        parameters.not_before = date_time_ymd(2019, 1, 1);
        parameters.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&parameters)
    }

    /// A certificate for a server called `name` that is valid until the beginning of `day`.
    pub fn issue_until(&self, name: &str, day: Date) -> anyhow::Result<Identity> {
        let mut parameters = leaf_parameters(name, None, &[name])?;
        let of = |part: i8| u8::try_from(part).context("a part of a date is positive");
        parameters.not_before = date_time_ymd(2019, 1, 1);
        parameters.not_after = date_time_ymd(day.year().into(), of(day.month())?, of(day.day())?);
        self.sign(&parameters)
    }

    /// A certificate for a server called `name` that is valid from the year 2100 on.
    pub fn issue_not_yet_valid(&self, name: &str) -> anyhow::Result<Identity> {
        let mut parameters = leaf_parameters(name, None, &[name])?;
        parameters.not_before = date_time_ymd(2100, 1, 1);
        parameters.not_after = date_time_ymd(2101, 1, 1);
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority_parameters(), KeyPair::from_pem(&self.key)?);
        Ok(Identity { certificate: parameters.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }

    /// TLS settings of a server with these `names`, over HTTP/2 and HTTP/1.1.
    pub fn server(&self, names: &[&str]) -> anyhow::Result<Arc<ServerConfig>> {
        self.issue(names.first().context("a server needs a name")?, None, names)?.server()
    }
}

impl Identity {
    /// TLS settings of a server with this certificate, over HTTP/2 and HTTP/1.1.
    pub fn server(&self) -> anyhow::Result<Arc<ServerConfig>> {
        self.server_with(rustls::DEFAULT_VERSIONS)
    }

    /// The same with these versions of TLS only.
    pub fn server_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> anyhow::Result<Arc<ServerConfig>> {
        let chain =
            CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let builder = ServerConfig::builder_with_protocol_versions(versions);
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A certificate for a server called `name` from an unknown authority, as behind a proxy that inspects TLS.
pub fn issued_by_unknown_authority(name: &str) -> anyhow::Result<Identity> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "intercepting proxy CA");
    let issuer = Issuer::new(parameters, KeyPair::generate()?);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn leaf_parameters(
    common_name: &str,
    organization: Option<&str>,
    names: &[&str],
) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        parameters.distinguished_name.push(DnType::OrganizationName, organization);
    }
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "lab CA");
    parameters
}
