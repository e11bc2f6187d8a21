#!/usr/bin/env bash
# Builds the Go tools that the tests, the demo and the bench need, from their Go modules, and a Python that knows
# botocore, and prints the folder that holds them. What is built already is left alone, so a second call takes milliseconds.
#
#   hack/tools.sh etcd kube-apiserver     build these where they are missing
#   hack/tools.sh                         build all of them, but for the peers of the benchmark
#
#   PSU_TOOLS_DIR        the folder to build into; default: a folder for this Kubernetes version in the user's cache
#   KUBEBUILDER_ASSETS   a folder with kube-apiserver, etcd and kubectl: those are used instead of built ones
#   PSU_KUBERNETES       another Kubernetes than the newest, for example 1.33, of which hack/kube/1.33 pins kube-apiserver
#                        and kube-controller-manager. They get a folder of their own, with links to all other tools
#
# Progress goes to standard error; standard output is the folder's path and nothing else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Every version is here or, where a module needs replacements, in the go.mod of its folder.
pinned() { # folder, module
  sed -n "s|^\(require \)\{0,1\}[[:space:]]*$2 \(v[^ ]*\).*|\2|p" "$here/$1/go.mod" | head -n 1
}
botocore=$(sed -n 's/^botocore==\([^ ]*\).*/\1/p' "$here/botocore/requirements.txt")
newest=$(pinned kube k8s.io/kubernetes)
kube_folder=kube${PSU_KUBERNETES:+/$PSU_KUBERNETES}
kube=$(pinned "$kube_folder" k8s.io/kubernetes 2>/dev/null || true)
helm=v4.3.1
# The major version before, which many still use.
helm3=v3.22.0
argo=$(pinned argo github.com/argoproj/argo-workflows/v4)
helm_unittest=$(pinned helm-unittest github.com/helm-unittest/helm-unittest)
kubeconform=v0.8.0
actionlint=v1.7.12
# What puts a file beside the chart of a release.
oras=v1.3.6
versitygw=v1.8.0
# AGPL: a server that tests talk to, and nothing that is shipped. Its releases have no tags that Go understands.
minio=v0.0.0-20260212201848-7aac2a2c5b7c
cert_manager=$(pinned cert-manager github.com/cert-manager/cert-manager)
external_secrets=$(pinned external-secrets github.com/external-secrets/external-secrets)

all=(etcd etcdutl kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl helm helm3 helm-unittest kubeconform minio versitygw)
all+=(actionlint argo-artifact oras)

# `botocore` is a Python in a virtual environment of its own.
all+=(botocore)

# What a folder of another Kubernetes pins.
of_another=(kube-apiserver kube-controller-manager)

# What `make bench-peers` compares with is built for that alone: each takes as long as all the others.
peers=(cert-manager external-secrets)

die() {
  echo "tools.sh: $*" >&2
  exit 1
}

[[ -n $kube ]] || die "PSU_KUBERNETES=$PSU_KUBERNETES: there is no hack/$kube_folder with a go.mod"
dir=${PSU_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/presigned-url-operator/bin/$newest}
assets=${KUBEBUILDER_ASSETS:-}
if [[ -n ${PSU_KUBERNETES:-} ]]; then
  dir=$dir/kube-$PSU_KUBERNETES
elif [[ -n $assets && -x $assets/kube-apiserver && -x $assets/etcd && -x $assets/kubectl ]]; then
  # A folder of its own, so that unsetting KUBEBUILDER_ASSETS brings the built ones back.
  dir=$dir-assets-$(printf %s "$assets" | cksum | cut -d ' ' -f 1)
  mkdir -p "$dir"
  for name in kube-apiserver etcd kubectl; do
    ln -sfn "$assets/$name" "$dir/$name"
  done
elif [[ -n $assets ]]; then
  echo "tools.sh: KUBEBUILDER_ASSETS=$assets lacks kube-apiserver, etcd or kubectl; it is not used" >&2
fi
mkdir -p "$dir"

version_of() {
  case $1 in
  actionlint) echo "$actionlint" ;;
  argo-artifact) echo "$argo $(cksum <"$here/argo/main.go")" ;;
  botocore) echo "$botocore" ;;
  cert-manager) echo "$cert_manager" ;;
  kube-apiserver | kube-controller-manager) echo "$kube" ;;
  etcd | etcdutl | kube-scheduler | kubectl | kubelet) echo "$newest" ;;
  external-secrets) echo "$external_secrets" ;;
  helm) echo "$helm" ;;
  helm3) echo "$helm3" ;;
  helm-unittest) echo "$helm_unittest" ;;
  kubeconform) echo "$kubeconform" ;;
  minio) echo "$minio" ;;
  oras) echo "$oras" ;;
  versitygw) echo "$versitygw" ;;
  *) die "unknown tool '$1'; known: ${all[*]} ${peers[*]}" ;;
  esac
}

# The version is beside each tool, written last: a build that was cut off, or of another version, counts as missing.
is_built() {
  [[ -L $dir/$1 && -x $dir/$1 ]] || [[ -x $dir/$1 && $(cat "$dir/.$1.version" 2>/dev/null) == "$(version_of "$1")" ]]
}

from_registry() { # package, version
  GOBIN=$tmp go install -trimpath -ldflags='-s -w' "$1@$2"
}

from_folder() { # folder, name, package, linker flags
  (cd "$here/$1" && go build -mod=readonly -trimpath -o "$tmp/$2" -ldflags="-s -w ${4:-}" "$3")
}

from_kube() { # name, package
  local core=k8s.io/component-base/version client=k8s.io/client-go/pkg/version minor=${kube#v1.}
  # Helm and kubectl read the server's version; without these flags it would say v0.0.0.
  from_folder "$kube_folder" "$1" "$2" \
    "-X $core.gitVersion=$kube -X $core.gitMajor=1 -X $core.gitMinor=${minor%%.*} -X $client.gitVersion=$kube"
}

# A peer's CRDs go beside it: they are files of its module.
from_peer() { # name, module, folder of CRDs in the module, what their names hold
  local source crd
  from_folder "$1" "$1" . || return 1
  source=$(cd "$here/$1" && go list -mod=readonly -m -f '{{.Dir}}' "$2") || return 1
  for crd in "$source/$3"/*"$4"_*.yaml; do
    printf -- '---\n'
    cat "$crd"
  done >"$dir/$1-crds.yaml"
}

# A virtual environment can't be moved, so it is made in its place and a script with the tool's name leads to it.
from_pypi() { # name, version
  local venv=$dir/.$1-$2
  rm -rf "$venv"
  python3 -m venv "$venv" || return 1
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement "$here/$1/requirements.txt" || return 1
  printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$venv" >"$tmp/$1"
  chmod +x "$tmp/$1"
}

build() {
  case $1 in
  actionlint) from_registry github.com/rhysd/actionlint/cmd/actionlint "$actionlint" ;;
  argo-artifact) from_folder argo argo-artifact . ;;
  botocore) from_pypi botocore "$botocore" ;;
  cert-manager) from_peer cert-manager github.com/cert-manager/cert-manager deploy/crds cert-manager.io ;;
  external-secrets)
    from_peer external-secrets github.com/external-secrets/external-secrets config/crds/bases external-secrets.io
    ;;
  etcd) from_kube etcd go.etcd.io/etcd/server/v3 ;;
  etcdutl) from_kube etcdutl go.etcd.io/etcd/etcdutl/v3 ;;
  kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kubectl) from_kube "$1" "k8s.io/kubernetes/cmd/$1" ;;
  helm) from_registry helm.sh/helm/v4/cmd/helm "$helm" ;;
  helm3) from_registry helm.sh/helm/v3/cmd/helm "$helm3" && mv "$tmp/helm" "$tmp/helm3" ;;
  helm-unittest) from_folder helm-unittest helm-unittest github.com/helm-unittest/helm-unittest/cmd/helm-unittest ;;
  kubeconform) from_registry github.com/yannh/kubeconform/cmd/kubeconform "$kubeconform" ;;
  minio) from_registry github.com/minio/minio "$minio" ;;
  oras) from_registry oras.land/oras/cmd/oras "$oras" ;;
  versitygw) from_registry github.com/versity/versitygw/cmd/versitygw "$versitygw" ;;
  esac
}

wanted=("$@")
[[ $# -gt 0 ]] || wanted=("${all[@]}")
for name in "${wanted[@]}"; do version_of "$name" >/dev/null; done

if [[ -n ${PSU_KUBERNETES:-} ]]; then
  own=()
  others=()
  for name in "${wanted[@]}"; do
    if [[ " ${of_another[*]} " == *" $name "* ]]; then own+=("$name"); else others+=("$name"); fi
  done
  if [[ ${#others[@]} -gt 0 ]]; then
    ordinary=$(env --unset PSU_KUBERNETES "${BASH_SOURCE[0]}" "${others[@]}")
    for name in "${others[@]}"; do ln -sfn "$ordinary/$name" "$dir/$name"; done
  fi
  wanted=("${own[@]}")
fi

missing=()
for name in "${wanted[@]}"; do
  is_built "$name" || missing+=("$name")
done

if [[ ${#missing[@]} -gt 0 ]]; then
  needed=()
  [[ " ${missing[*]} " != *" botocore "* ]] || needed+=(python3-venv)
  [[ ${missing[*]} == botocore ]] || needed+=(go ca-certificates)
  "$here/prerequisites.sh" "${needed[@]}"
  # Two test processes may want the same tool; the second waits and finds it built.
  exec 9>"$dir/.lock"
  if command -v flock >/dev/null; then flock 9; fi
  tmp=$(mktemp -d "$dir/.build.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  export CGO_ENABLED=0
  for name in "${missing[@]}"; do
    is_built "$name" && continue
    echo "tools.sh: building $name $(version_of "$name"), the first time takes minutes" >&2
    start=$SECONDS
    build "$name" >&2 || die "$name did not build; the lines above say why"
    mv -f "$tmp/$name" "$dir/$name"
    version_of "$name" >"$dir/.$name.version"
    echo "tools.sh: built $name in $((SECONDS - start)) s" >&2
  done
fi
echo "$dir"
