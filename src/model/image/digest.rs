//! Digests of content.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// A content digest (OCI image specification, "Digests"): `sha256:<64 hex digits>` or `sha512:<128 hex digits>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

/// The registered algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Computes the digest of content that arrives in parts.
#[derive(Clone)]
pub enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all parts.
    pub fn digest(self) -> Digest {
        match self {
            Self::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            Self::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
    }
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn compute(bytes: &[u8]) -> Self {
        Self::compute_with(Algorithm::Sha256, bytes)
    }

    pub fn compute_with(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.digest()
    }

    fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        use fmt::Write as _;
        hash.iter().fold(Self(format!("{}:", algorithm.name())), |mut digest, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digest.0, "{byte:02x}");
            digest
        })
    }

    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, as docker prints image ids.
    pub fn short(&self) -> &str {
        &self.0[self.algorithm().name().len() + 1..][..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is not a digest, or one of another algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    #[error("a digest must be `sha256:` and 64 lower-case hex digits")]
    Malformed,
    #[error("unsupported digest algorithm {0}: sha256 and sha512 are supported")]
    Algorithm(String),
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, hex) = text.split_once(':').ok_or(InvalidDigest::Malformed)?;
        let known = [Algorithm::Sha256, Algorithm::Sha512].into_iter();
        let Some(algorithm) = known.into_iter().find(|algorithm| algorithm.name() == name) else {
            // The grammar of algorithms, so that nothing else is repeated in a message.
            let is_name = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'.' | b'_' | b'-');
            let is_algorithm = (1..=32).contains(&name.len()) && name.bytes().all(is_name);
            return Err(if is_algorithm {
                InvalidDigest::Algorithm(name.to_owned())
            } else {
                InvalidDigest::Malformed
            });
        };
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() == algorithm.hex_digits() && is_hex {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDigest::Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_registered_algorithms_are_read_and_computed() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::compute_with(algorithm, b"");
            assert_eq!(digest.as_str().parse().as_ref(), Ok(&digest));
            assert_eq!(digest.algorithm(), algorithm);
            assert_eq!(digest.as_str().len(), algorithm.name().len() + 1 + algorithm.hex_digits());
        }
        assert_eq!(Digest::compute(b"").short(), "e3b0c44298fc");
        assert_eq!(Digest::compute_with(Algorithm::Sha512, b"").short(), "cf83e1357eef");
    }

    #[test]
    fn invalid_digests_are_rejected_and_other_algorithms_named() {
        let long = "a".repeat(128);
        for (text, named) in [
            ("sha384:D", Some("sha384")),
            ("blake3:D", Some("blake3")),
            ("sha256:D", None),
            ("sha512:F", None),
            ("sha512:", None),
            ("sha256", None),
            ("", None),
            (":D", None),
            ("a b:D", None),
            ("\u{1b}[31m:D", None),
        ] {
            let text = text.replace('D', &long).replace('F', &long.to_uppercase());
            let expected =
                named.map_or(InvalidDigest::Malformed, |name| InvalidDigest::Algorithm(name.to_owned()));
            assert_eq!(text.parse::<Digest>(), Err(expected), "{text}");
        }
    }
}
