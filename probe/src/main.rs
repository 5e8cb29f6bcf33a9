//! The probe of pods: reads a request, gathers the facts from the pod's network, and writes the report into the log and
//! into the termination message. It is a static binary in an image without anything else.

mod arguments;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use probe::pod::{self, PodReport, PodRequest};
use probe::{Request, dns, gather};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::signal::unix::{SignalKind, signal};

use self::arguments::Arguments;

/// Nothing larger fits into a `ConfigMap`.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Nothing could be gathered or written.
const FAILED: u8 = 1;
/// Invalid input.
const INVALID: u8 = 2;
/// What a shell reports of a process that SIGTERM ended.
const TERMINATED: u8 = 128 + 15;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return fail(INVALID, &error, None),
    };
    let log = &arguments.termination_log;
    let (request, tls) = match inputs(&arguments) {
        Ok(inputs) => inputs,
        Err(error) => return fail(INVALID, &error, Some(log)),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &format!("cannot start: {error}"), Some(log)),
    };
    match runtime.block_on(run(&request, &tls)) {
        Some(report) => publish(&report, log),
        None => ExitCode::from(TERMINATED),
    }
}

/// Gathers until SIGTERM, which the kernel does not deliver to the first process of a container without a handler.
async fn run(request: &Request, tls: &ClientConfig) -> Option<PodReport> {
    let report = async {
        PodReport {
            version: pod::VERSION,
            probe: env!("CARGO_PKG_VERSION").to_owned(),
            name_servers: dns::system_name_servers(),
            hosts: gather(request, tls).await,
            omitted: 0,
        }
    };
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return Some(report.await);
    };
    tokio::select! {
        report = report => Some(report),
        _ = terminated.recv() => None,
    }
}

fn inputs(arguments: &Arguments) -> Result<(Request, ClientConfig), String> {
    let request = PodRequest::parse(&read(&arguments.request)?)
        .map_err(|error| format!("invalid request `{}`: {error}", arguments.request.display()))?;
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &arguments.ca {
        let invalid = |why: &dyn std::fmt::Display| format!("invalid CA file `{}`: {why}", file.display());
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error))?;
        if certificates.is_empty() {
            return Err(invalid(&"it contains no certificate"));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| invalid(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((request.into(), tls))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("`{}` is larger than {MAX_FILE_BYTES} bytes", path.display()));
    }
    Ok(content)
}

/// Succeeds if one of the two places has the report: readers try both.
fn publish(report: &PodReport, termination_log: &Path) -> ExitCode {
    let logged = writeln!(io::stdout(), "{}", pod::encode_log(report));
    let message = pod::encode_message(report, pod::MESSAGE_BYTES);
    match (logged, std::fs::write(termination_log, message)) {
        (Err(_), Err(error)) => fail(FAILED, &format!("cannot write the report: {error}"), None),
        _ => ExitCode::SUCCESS,
    }
}

/// Writes the error where people look for it: to the log, and to the status of the pod.
fn fail(code: u8, error: &str, termination_log: Option<&Path>) -> ExitCode {
    let line = format!("error: {error}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = termination_log {
        let _ = std::fs::write(path, &line);
    }
    ExitCode::from(code)
}
