#!/usr/bin/env bash
# Builds the probe for the nodes of a cluster, and packs it into image layers. Prints the folder with, for each
# architecture, the layer (amd64.tar.gz) and the digest of its uncompressed content (amd64.diff-id). They are built again
# only if their sources change. The same binary always results in the same layer.
# Usage: build-probes.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "build-probes: $*" >&2; }
# shellcheck source=scripts/target.sh
. scripts/target.sh

sources=$(find probe Cargo.lock Cargo.toml rust-toolchain.toml scripts/build-probes.sh scripts/target.sh \
	scripts/no-unwind-tables.ld -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12)
folder=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/castai-privatelink-lab}/probes-$sources
if [ -d "$folder" ]; then
	echo "$folder"
	exit
fi
[ "$(uname -s)" = Linux ] || {
	say "probes are built on Linux: pass the folder of finished ones in PROBE_LAYERS"
	exit 1
}

mkdir -p "$(dirname "$folder")"
part=$(mktemp -d "$folder.part-XXXXXX")
trap 'rm -rf "$part"' EXIT
for platform in amd64:x86_64 arm64:aarch64; do
	architecture=${platform%:*} target=${platform#*:}-unknown-linux-musl
	prepare "$target"
	say "building the probe for $target (a minute the first time)"
	"${build[@]}" --locked --profile probe --target "$target" --package probe --bin probe --features binary >&2
	install -D -m 755 "${CARGO_TARGET_DIR:-$PWD/target}/$target/probe/probe" "$part/$architecture/probe"
	tar --create --directory="$part/$architecture" --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner \
		probe >"$part/$architecture.tar"
	echo "sha256:$(sha256sum "$part/$architecture.tar" | cut -d ' ' -f 1)" >"$part/$architecture.diff-id"
	gzip --no-name --best "$part/$architecture.tar"
	rm -r "${part:?}/$architecture"
	say "$architecture: $(stat --format=%s "$part/$architecture.tar.gz") bytes"
done
chmod 755 "$part"
# Another build may have been faster, with the same content.
mv --no-target-directory "$part" "$folder" 2>/dev/null || [ -d "$folder" ]
echo "$folder"
