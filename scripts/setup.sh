#!/usr/bin/env bash
# Installs the programs that builds and the lab need, or prints which ones are missing; with `tests`, also those that
# only tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "setup: $*" >&2; }

# Program, and the Debian package that contains it.
packages=()
while read -r program package; do
	command -v "$program" >/dev/null || packages+=("$package")
done <<'END'
cc gcc
curl curl
git git
ip iproute2
make make
musl-gcc musl-tools
python3 python3
unshare util-linux
END
# A test looks at the page of `preflight --report` in a browser.
if [ "${1:-}" = tests ]; then
	command -v chromium >/dev/null || packages+=(chromium)
fi
# On Debian, the venv module is a separate package.
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		say "installing ${packages[*]}"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
	else
		say "missing: apt-get install ${packages[*]} (or your system's packages for them)"
		exit 1
	fi
fi

# Distributions do not have the required versions of these two.
command -v rustup >/dev/null || {
	say "missing: rustup (https://rustup.rs)"
	exit 1
}
command -v go >/dev/null || {
	say "missing: Go 1.26 or later (https://go.dev/dl)"
	exit 1
}
toolchain=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if ! rustup toolchain list | grep -q "^$toolchain"; then
	say "installing Rust $toolchain"
	rustup toolchain install "$toolchain" --profile minimal --component clippy --component rustfmt
fi
target=x86_64-unknown-linux-musl
if ! rustup target list --installed --toolchain "$toolchain" | grep -q "^$target$"; then
	say "adding Rust's target $target"
	rustup target add --toolchain "$toolchain" "$target"
fi
