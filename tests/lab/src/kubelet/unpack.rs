//! The content of an image whose program the lab really runs: its layers, unpacked as archives.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::Method;

use super::pull::{Config, Manifest, Pull, digest};

/// The entry point of images that are run; the containers of all others only pretend to run.
pub(super) const ENTRYPOINT: &str = "/probe";
const MAX_LAYER_BYTES: usize = 16 << 20;
const MAX_ARCHIVE_BYTES: usize = 64 << 20;
/// `e_machine` in the header of an ELF file, by architecture in Go's spelling.
const MACHINES: [(&str, u16); 2] = [("amd64", 62), ("arm64", 183)];

/// A program with the files around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Uncompressed archives, the lowest first.
    pub(super) archives: Vec<Vec<u8>>,
    /// Whether the node can run the entry point: a simulated node may have another architecture than this machine, which
    /// runs the variant of the same image for its own.
    pub(super) is_executable: bool,
}

impl Pull<'_> {
    /// The program of the image of this node, whose manifest and config are `own`.
    pub(super) async fn program(
        &self,
        index: &Manifest,
        own: (&Manifest, &Config),
    ) -> Result<Program, String> {
        let archives = self.archives(own.0, own.1).await?;
        let is_executable = machine(&archives) == machine_of(self.architecture);
        let this = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        if this == self.architecture || !is_executable {
            return Ok(Program { archives, is_executable });
        }
        let (manifest, config) = self.platform(index, this).await?;
        Ok(Program { archives: self.archives(&manifest, &config).await?, is_executable })
    }

    async fn archives(&self, manifest: &Manifest, config: &Config) -> Result<Vec<Vec<u8>>, String> {
        let diff_ids = config.diff_ids();
        if diff_ids.len() != manifest.layers.len() {
            return Err(self.failed("Unknown", "mismatched image rootfs and manifest layers"));
        }
        let mut archives = Vec::new();
        for (layer, diff_id) in manifest.layers.iter().zip(diff_ids) {
            let compressed = self.layer(&layer.digest).await?;
            let archive = decompress(&compressed).map_err(|why| self.failed("Unknown", why))?;
            if digest(&archive) != *diff_id {
                let why = format!("wrong diff id calculated on extraction \"{}\"", digest(&archive));
                return Err(self.failed("FailedPrecondition", why));
            }
            archives.push(archive);
        }
        Ok(archives)
    }

    async fn layer(&self, wanted: &str) -> Result<Vec<u8>, String> {
        let url = self.name.url("blobs", wanted);
        let mut response =
            self.request(Method::GET, &url).await.map_err(|why| self.failed("Unknown", why))?;
        self.opened(&url, &response)?;
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed("Unknown", error))? {
            content.extend_from_slice(&chunk);
            if content.len() > MAX_LAYER_BYTES {
                let why =
                    format!("the lab runs no program whose layer is larger than {MAX_LAYER_BYTES} bytes");
                return Err(self.failed("ResourceExhausted", why));
            }
        }
        let found = digest(&content);
        if found != wanted {
            let why = format!(
                "failed commit on ref \"{wanted}\": unexpected commit digest {found}, expected {wanted}: failed \
                 precondition"
            );
            return Err(self.failed("FailedPrecondition", why));
        }
        Ok(content)
    }
}

fn decompress(layer: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = Vec::new();
    let mut reader = GzDecoder::new(layer).take(MAX_ARCHIVE_BYTES as u64 + 1);
    reader.read_to_end(&mut archive).map_err(|error| error.to_string())?;
    if archive.len() > MAX_ARCHIVE_BYTES {
        return Err(format!("the lab unpacks at most {MAX_ARCHIVE_BYTES} bytes of a layer"));
    }
    Ok(archive)
}

/// The machine that the entry point is for, if it is an ELF file.
fn machine(archives: &[Vec<u8>]) -> Option<u16> {
    archives.iter().rev().find_map(|archive| {
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut entries = archive.entries().ok()?.flatten();
        let mut entry = entries.find(|entry| {
            entry.path().is_ok_and(|path| path.as_os_str() == ENTRYPOINT.trim_start_matches('/'))
        })?;
        let mut header = [0; 20];
        entry.read_exact(&mut header).ok()?;
        header.starts_with(b"\x7fELF").then(|| u16::from_le_bytes([header[18], header[19]]))
    })
}

fn machine_of(architecture: &str) -> Option<u16> {
    MACHINES.iter().find(|(name, _)| *name == architecture).map(|(_, machine)| *machine)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(path: &str, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, path, content).unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn the_machine_of_the_entry_point_is_read() {
        let arm64 = [b"\x7fELF".as_slice(), &[0; 14], &[183, 0], &[0; 10]].concat();
        for (archives, expected) in [
            (vec![archive("probe", &arm64)], machine_of("arm64")),
            (vec![archive("probe", &arm64), archive("other", b"x")], machine_of("arm64")),
            (vec![archive("bin/probe", &arm64)], None),
            (vec![archive("probe", b"#!/bin/sh and more than 20 bytes")], None),
            (vec![archive("probe", b"\x7fELF")], None),
            (vec![b"junk".to_vec()], None),
        ] {
            assert_eq!(machine(&archives), expected);
        }
        assert_eq!(machine_of("s390x"), None);
    }

    #[test]
    fn a_layer_is_decompressed_up_to_a_limit() {
        let compressed = |size: usize| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&vec![0; size]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(decompress(&compressed(1000)).unwrap().len(), 1000);
        assert!(decompress(&compressed(MAX_ARCHIVE_BYTES + 1)).unwrap_err().contains("at most"));
        assert!(decompress(b"junk").is_err());
    }
}
