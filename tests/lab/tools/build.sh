#!/usr/bin/env bash
# Builds the lab's real parts once, into a cache outside the checkout, and says what it is doing.
# Usage: build.sh [--print]   (--print only prints the folder that holds the programs)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/castai-privatelink-lab}
kubernetes=v1.36.3
# A change of any pinned version gives another folder, so a stale program is never used.
version=$(cat "$here"/*/go.mod "$here"/*/go.sum "$here"/moto/requirements.txt | sha256sum | cut -c1-12)
bin=$cache/tools-$version

if [ "${1:-}" = --print ]; then
	echo "$bin"
	exit 0
fi

say() { echo "lab: $*" >&2; }

need() {
	command -v "$1" >/dev/null && return
	say "\`$1\` is missing: install $2"
	exit 1
}

# build FOLDER PROGRAM PACKAGE [GO FLAGS…]: compiles one program of the module in FOLDER unless it is there.
build() {
	local folder=$1 program=$2 package=$3
	shift 3
	[ -x "$bin/$program" ] && return
	need go "Go 1.26 or later (https://go.dev/dl)"
	say "building $program (once; kept in $bin)"
	local start=$SECONDS
	(cd "$here/$folder" && CGO_ENABLED=0 go build -trimpath "$@" -o "$bin/$program.part" "$package")
	mv "$bin/$program.part" "$bin/$program"
	say "built $program in $((SECONDS - start)) s"
}

mkdir -p "$bin"
exec 9>"$bin/lock"
flock 9

programs="kube-apiserver kube-controller-manager kube-scheduler kubectl etcd"
# KUBEBUILDER_ASSETS is the field's name for a folder of control-plane programs: taken only where it holds them all.
if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	whole=yes
	for program in $programs; do [ -x "$KUBEBUILDER_ASSETS/$program" ] || whole=no; done
	if [ $whole = yes ]; then
		for program in $programs; do ln -sf "$KUBEBUILDER_ASSETS/$program" "$bin/$program"; done
	fi
fi

component=k8s.io/component-base/version
minor=${kubernetes#v1.}
flags="-s -w -X $component.gitVersion=$kubernetes -X $component.gitMajor=1 -X $component.gitMinor=${minor%%.*}"
for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
	build kubernetes "$program" "k8s.io/kubernetes/cmd/$program" -ldflags "$flags"
done
build kubernetes etcd go.etcd.io/etcd/server/v3 -ldflags "-s -w"
build registry registry github.com/distribution/distribution/v3/cmd/registry -ldflags "-s -w"

if [ ! -x "$bin/moto/bin/moto_server" ]; then
	need python3 "Python 3.10 or later with venv"
	say "installing moto (stand-in for STS and EC2)"
	rm -rf "$bin/moto"
	python3 -m venv "$bin/moto"
	"$bin/moto/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/moto/requirements.txt"
fi
echo "$bin"
