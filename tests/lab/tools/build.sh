#!/usr/bin/env bash
# Builds the lab's tools once, into a cache outside the checkout, and prints its progress.
# Prints the folder that contains the programs.
# Usage: build.sh [--print]   only print the folder
#        build.sh crane       build crane for the benchmark instead, and print its folder
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/castai-privatelink-lab}
kubernetes=v1.36.3

# folder SET: the folder of the programs of one set. A change of the set's pinned versions gives another folder, so a
# stale program is never used, and unchanged sets are not built again.
folder() {
	echo "$cache/$1-$(cat "$here/$1"/* | sha256sum | cut -c1-12)"
}

sets="kubernetes registry krew helm3 helm4 tofu terraform-provider moto awscli"
bin=$cache/tools-$(for set in $sets; do folder "$set"; done | sed 's|.*/||' | sha256sum | cut -c1-12)

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

# build SET PROGRAM PACKAGE [GO FLAGS…]: compiles one program of the set's module unless it exists.
build() {
	local set=$1 program=$2 package=$3 to
	shift 3
	to=$(folder "$set")
	[ -x "$to/$program" ] && return
	need go "Go 1.26 or later (https://go.dev/dl)"
	say "building $program (once; stored in $to)"
	local start=$SECONDS
	mkdir -p "$to"
	(cd "$here/$set" && CGO_ENABLED=0 go build -trimpath "$@" -o "$to/$program.part" "$package")
	mv "$to/$program.part" "$to/$program"
	say "built $program in $((SECONDS - start)) s"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [ "${1:-}" = crane ]; then
	build crane crane github.com/google/go-containerregistry/cmd/crane -ldflags "-s -w"
	folder crane
	exit 0
fi

mkdir -p "$bin"
control_plane="kube-apiserver kube-controller-manager kube-scheduler kubectl etcd"
# KUBEBUILDER_ASSETS is the usual variable for a folder of control-plane programs: used only if it contains all of them.
assets=${KUBEBUILDER_ASSETS:-}
for program in $control_plane; do
	[ -x "$assets/$program" ] || assets=
done
if [ -z "$assets" ]; then
	component=k8s.io/component-base/version
	minor=${kubernetes#v1.}
	flags="-s -w -X $component.gitVersion=$kubernetes -X $component.gitMajor=1 -X $component.gitMinor=${minor%%.*}"
	for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
		build kubernetes "$program" "k8s.io/kubernetes/cmd/$program" -ldflags "$flags"
	done
	build kubernetes etcd go.etcd.io/etcd/server/v3 -ldflags "-s -w"
	assets=$(folder kubernetes)
fi
build registry registry github.com/distribution/distribution/v3/cmd/registry -ldflags "-s -w"
# With the name under which kubectl finds it.
build krew kubectl-krew sigs.k8s.io/krew/cmd/krew -ldflags "-s -w"
build krew validate-krew-manifest sigs.k8s.io/krew/cmd/validate-krew-manifest -ldflags "-s -w"
for major in 3 4; do
	build "helm$major" "helm$major" "helm.sh/helm/v$major/cmd/helm" -ldflags "-s -w"
done

build tofu tofu github.com/opentofu/opentofu/cmd/tofu -ldflags "-s -w"
build terraform-provider terraform-provider-aws . -ldflags "-s -w"

# install SET PROGRAM ABOUT: installs the set's Python packages unless the program exists.
install() {
	local set=$1 program=$2 about=$3 to
	to=$(folder "$set")
	[ -x "$to/bin/$program" ] && return
	need python3 "Python 3.10 or later with venv"
	say "installing $set ($about)"
	rm -rf "$to"
	python3 -m venv "$to"
	"$to/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/$set/requirements.txt"
}
install moto moto_server "simulates STS and EC2"
install awscli aws "runs scripts of \`endpoints aws-cli\`"

# link TARGET NAME: swaps the link in one step, because other labs may be starting programs through it.
link() {
	[ "$(readlink "$bin/$2")" = "$1" ] && return
	ln -sfn "$1" "$bin/$2.part"
	mv -T "$bin/$2.part" "$bin/$2"
}
for program in $control_plane; do link "$assets/$program" "$program"; done
link "$(folder registry)/registry" registry
for program in kubectl-krew validate-krew-manifest; do link "$(folder krew)/$program" "$program"; done
for program in helm3 helm4; do link "$(folder $program)/$program" "$program"; done
link "$(folder tofu)/tofu" tofu
link "$(folder terraform-provider)/terraform-provider-aws" terraform-provider-aws
link "$(folder moto)" moto
# Not where labs look for programs: most of their machines have no AWS CLI.
link "$(folder awscli)" awscli
echo "$bin"
