# shellcheck shell=bash
# Sourced by the scripts that build: prepares cargo for a target.

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

# prepare TARGET: sets `build` to the command that builds for it, and the variables that the command needs.
prepare() {
	rustup target list --installed | grep -qx "$1" || rustup target add "$1" >&2
	# Debian's musl-tools compile the C parts (allocator, cryptography).
	export CC_x86_64_unknown_linux_musl=musl-gcc
	build=(cargo build)
	case "$1" in
	aarch64-unknown-linux-musl | x86_64-pc-windows-gnu)
		install_zig
		export PATH=$zig/bin:$PATH
		build=(cargo zigbuild)
		;;
	x86_64-unknown-linux-musl)
		# These options work only with GNU ld, not with Zig's linker. A position-independent static program has 64,000
		# relocations, which take 15 kB packed instead of 1.5 MB (supported by musl since 1.2.4, GNU ld since 2.38). Tables for
		# unwinding the stack take 2.4 MB, and are not used. The path is relative to the workspace, where cargo runs the linker.
		local link=(-z,pack-relative-relocs -T,scripts/no-unwind-tables.ld)
		export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="${link[*]/#/-Clink-arg=-Wl,}"
		;;
	esac
}
