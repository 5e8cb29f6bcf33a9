#!/usr/bin/env bash
# Builds the parts of a release that this machine can build, in dist/: archives, checksums, and the krew manifest, which
# it also copies into the checkout. The release workflow builds the macOS archives, because they need Apple's SDK.
# Usage: dist.sh [OS-ARCH…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "dist: $*" >&2; }

# machine BINARY OS ARCH: checks that the binary is built for this platform, and on Linux that it is static.
machine() {
	local headers
	if [ "$2" = windows ]; then
		[ "$(head -c 2 "$1")" = MZ ] && return
		say "$1 is not a Windows program"
		exit 1
	fi
	headers=$(LC_ALL=C readelf --file-header --program-headers --wide "$1")
	case "$3" in
	amd64) grep -q 'Machine:.*X86-64' <<<"$headers" ;;
	arm64) grep -q 'Machine:.*AArch64' <<<"$headers" ;;
	esac || {
		say "$1 is not for $3"
		exit 1
	}
	! grep -q INTERP <<<"$headers" || {
		say "$1 is not static"
		exit 1
	}
}

# smoke BINARY OS ARCH: runs the binary if this machine can run it.
smoke() {
	local emulators='' emulator runner=
	case "$2-$3" in
	linux-arm64) emulators="qemu-aarch64-static qemu-aarch64" ;;
	windows-*) emulators=wine ;;
	esac
	for emulator in $emulators; do
		runner=$(command -v "$emulator") && break
	done
	if [ -n "$emulators" ] && [ -z "$runner" ]; then
		say "skipping the test run of $2/$3: install one of: $emulators"
	else
		say "$2/$3 prints: $(${runner:+"$runner"} "$1" version)"
	fi
}

platforms=("$@")
[ $# -gt 0 ] || platforms=(linux-amd64 linux-arm64 windows-amd64)
rm -rf dist
for platform in "${platforms[@]}"; do
	os=${platform%-*} arch=${platform#*-}
	binary=$(scripts/build.sh "$os" "$arch")
	machine "$binary" "$os" "$arch"
	smoke "$binary" "$os" "$arch"
	archive=$(scripts/package.sh "$binary" "$os" "$arch" dist)
	say "$archive: $(stat --format=%s "$binary") bytes, packed $(stat --format=%s "$archive")"
done
scripts/manifest.sh dist
cp dist/krew-manifest.yaml .
say "wrote checksums.txt and krew-manifest.yaml to dist/, and copied the manifest to the checkout"
