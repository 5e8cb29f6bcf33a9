#!/usr/bin/env bash
# Writes checksums.txt and krew-manifest.yaml for the archives in FOLDER, into FOLDER.
# Usage: manifest.sh FOLDER
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

version=v$("$root/scripts/version.sh")
# value NAME: a value from Cargo.toml.
value() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" "$root/Cargo.toml" | head -n 1; }
repository=$(value repository)
cd "$1"

sha256sum -- kubectl-castai_privatelink-"$version"-*.tar.gz >checksums.txt
{
	cat <<END
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: castai-privatelink
spec:
  version: $version
  homepage: $repository
  shortDescription: $(value description)
  description: |
    Makes Cast AI work on EKS clusters whose nodes cannot reach the internet.
    \`preflight\` proves that the cluster reaches Cast AI through AWS
    PrivateLink. \`sync-images\` finds every image that Cast AI needs, mirrors
    it byte for byte to a private ECR, verifies it there, and only then
    rewrites the images in place.
  caveats: |
    Needs AWS credentials for the ECR below whose path castai-privatelink/
    images are mirrored, and the permissions that the README lists.
  platforms:
END
	while read -r hash archive; do
		platform=${archive#kubectl-castai_privatelink-"$version"-}
		platform=${platform%.tar.gz}
		os=${platform%-*} arch=${platform#*-} suffix=
		[ "$os" != windows ] || suffix=.exe
		cat <<END
    - selector:
        matchLabels:
          os: $os
          arch: $arch
      uri: $repository/releases/download/$version/$archive
      sha256: $hash
      bin: kubectl-castai_privatelink$suffix
END
	done <checksums.txt
} >krew-manifest.yaml
