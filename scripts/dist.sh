#!/usr/bin/env bash
# Makes what a release ships from this machine, in dist/: archives, their checksums, and krew's manifest, which it
# also puts into the checkout. macOS archives are made by the release workflow, because they need Apple's SDK.
# Usage: dist.sh [OS-ARCH…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "dist: $*" >&2; }

# machine BINARY OS ARCH: sees to it that the binary is for that machine, and on Linux that it needs no other file.
machine() {
	local headers
	if [ "$2" = windows ]; then
		[ "$(head -c 2 "$1")" = MZ ] && return
		say "$1 is no Windows program"
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

# smoke BINARY OS ARCH: runs the binary where that is possible here.
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
		say "$2/$3 is not run here, for want of $emulators"
	else
		say "$2/$3 says: $(${runner:+"$runner"} "$1" version)"
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
say "checksums.txt and krew-manifest.yaml are beside the archives, and the manifest is in the checkout"
