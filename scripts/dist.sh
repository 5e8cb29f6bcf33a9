#!/usr/bin/env bash
# Packs the release binary for krew and puts the archive's hash into krew-manifest.yaml.
# Usage: dist.sh BINARY OS ARCH
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=$1 os=$2 arch=$3
version=v$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
archive=dist/kubectl-castai_privatelink-$version-$os-$arch.tar.gz

mkdir -p dist
# The same binary always gives the same archive: sorted, without times and owners.
tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
	--transform='s|.*/||' "$binary" LICENSE README.md | gzip --no-name >"$archive"
hash=$(sha256sum "$archive" | cut -d' ' -f1)
(cd dist && sha256sum -- *.tar.gz >checksums.txt)

# The hash stands two lines below its platform's archive in the manifest.
sed -i -E "\|/$version/$(basename "$archive")\$|,/sha256:/s/sha256: .*/sha256: $hash/" krew-manifest.yaml
grep -q "$hash" krew-manifest.yaml || {
	echo "dist: krew-manifest.yaml lists no archive $(basename "$archive")" >&2
	exit 1
}
echo "$archive $hash"
