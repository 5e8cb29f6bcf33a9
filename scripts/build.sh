#!/usr/bin/env bash
# Builds the release binary for one platform, and prints its path.
# Usage: build.sh OS ARCH   (Go's names: linux amd64, linux arm64, windows amd64; darwin amd64 and arm64 on a Mac)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "build: $*" >&2; }

# Zig is the C compiler and linker for other platforms; PyPI has builds of both.
zig_version=0.17.1
zigbuild_version=0.24.0
zig=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/castai-privatelink-lab}/zig-$zig_version-$zigbuild_version
install_zig() {
	[ -x "$zig/bin/cargo-zigbuild" ] && return
	say "installing Zig $zig_version and cargo-zigbuild $zigbuild_version into $zig"
	rm -rf "$zig.part"
	python3 -m venv "$zig.part"
	"$zig.part/bin/pip" install --quiet --disable-pip-version-check \
		"ziglang==$zig_version" "cargo-zigbuild==$zigbuild_version"
	mv "$zig.part" "$zig"
}

suffix='' cross=
case "$1 $2" in
"linux amd64") target=x86_64-unknown-linux-musl ;;
"linux arm64") target=aarch64-unknown-linux-musl cross=yes ;;
"windows amd64") target=x86_64-pc-windows-gnu cross=yes suffix=.exe ;;
"darwin amd64") target=x86_64-apple-darwin ;;
"darwin arm64") target=aarch64-apple-darwin ;;
*)
	say "unknown platform $1/$2"
	exit 2
	;;
esac

rustup target list --installed | grep -qx "$target" || rustup target add "$target" >&2
say "building for $target (minutes the first time)"
# Debian's musl-tools compile the C parts (allocator, cryptography).
export CC_x86_64_unknown_linux_musl=musl-gcc
build=(cargo build)
if [ -n "$cross" ]; then
	install_zig
	export PATH=$zig/bin:$PATH
	build=(cargo zigbuild)
elif [ "$target" = x86_64-unknown-linux-musl ]; then
	# These options work only with GNU ld, not with Zig's linker. A position-independent static program has 64,000
	# relocations, which take 15 kB packed instead of 1.5 MB (supported by musl since 1.2.4, GNU ld since 2.38). Tables for
	# unwinding the stack take 2.4 MB, and are not used. The path is relative to the workspace, where cargo runs the linker.
	link=(-z,pack-relative-relocs -T,scripts/no-unwind-tables.ld)
	export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="${link[*]/#/-Clink-arg=-Wl,}"
fi
"${build[@]}" --release --locked --target "$target" --package kubectl-castai-privatelink >&2
echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/release/kubectl-castai_privatelink$suffix"
