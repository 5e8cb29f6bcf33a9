#!/usr/bin/env bash
# Builds the release binary for one platform, and prints its path.
# Usage: build.sh OS ARCH   (Go's names: linux amd64, linux arm64, windows amd64; darwin amd64 and arm64 on a Mac)
# PROBE_LAYERS is the folder with the layers of the probe, which build-probes.sh builds; a Mac cannot build them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "build: $*" >&2; }

# shellcheck source=scripts/target.sh
. scripts/target.sh

suffix=''
case "$1 $2" in
"linux amd64") target=x86_64-unknown-linux-musl ;;
"linux arm64") target=aarch64-unknown-linux-musl ;;
"windows amd64") target=x86_64-pc-windows-gnu suffix=.exe ;;
"darwin amd64") target=x86_64-apple-darwin ;;
"darwin arm64") target=aarch64-apple-darwin ;;
*)
	say "unknown platform $1/$2"
	exit 2
	;;
esac

# The probe for pods is part of the plugin, on every platform.
if [ -z "${PROBE_LAYERS:-}" ]; then
	PROBE_LAYERS=$(scripts/build-probes.sh)
fi
export PROBE_LAYERS
prepare "$target"
say "building for $target (minutes the first time)"
"${build[@]}" --release --locked --target "$target" --package kubectl-castai-privatelink >&2
echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/release/kubectl-castai_privatelink$suffix"
