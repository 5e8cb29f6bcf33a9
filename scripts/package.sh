#!/usr/bin/env bash
# Packs one platform's binary for krew and for PATH: binary, LICENSE, README.md and Helm's plugin.yaml in a .tar.gz. Prints its path.
# The same binary always results in the same archive.
# Usage: package.sh BINARY OS ARCH FOLDER
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

binary=$1 os=$2 arch=$3 folder=$4
version=$("$root/scripts/version.sh")
archive=$folder/kubectl-castai_privatelink-v$version-$os-$arch.tar.gz
name=kubectl-castai_privatelink
[ "$os" != windows ] || name=$name.exe

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
# Modes are set here: those in a checkout depend on the user's umask, and a copied binary may have lost them.
install -m 755 "$binary" "$files/$name"
install -m 644 "$root/LICENSE" "$root/README.md" "$files"
install -D -m 644 "$root/helm/plugin.yaml" "$files/helm/plugin.yaml"
mkdir -p "$folder"
tar --create --directory="$files" --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner \
	"$name" LICENSE README.md helm | gzip --no-name >"$archive"
echo "$archive"
