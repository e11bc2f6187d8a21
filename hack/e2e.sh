#!/usr/bin/env bash
# `make e2e`: the chart, the image and pods on a real cluster; hack/e2e/promises.sh is what is tried. Without a cluster, and
# as root on Linux, it brings up a node on this machine (hack/e2e/node.sh) in namespaces of its own, and leaves nothing
# behind, Ctrl-C included.
#
#   E2E_KUBECONFIG      a cluster that may be thrown away, such as kind's or k3d's, to use instead
#   E2E_LOAD            the command that loads an archive of images into it; default: kind load image-archive
#   E2E_BUILDER         buildah or docker; default: buildah, or docker where there is no buildah
#   E2E_SAMPLE_SECONDS  how long a mounted URL is sampled; default 480
#   PSU_OPERATOR        the operator's binary; default: built by cargo as for a release
#   KEEP                1: the node stays up until Ctrl-C
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
if [[ -z ${E2E_KUBECONFIG:-} ]]; then
  hack/e2e/able.sh
fi
version=$(sed -n 's/^appVersion: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' charts/presigned-url-operator/Chart.yaml)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/presigned-e2e.XXXXXX")
# What a job leaves when it is killed is removed with the rest.
export TMPDIR=$tmp

# What remains of a node once its processes are gone. Each version of cgroups has its own trees.
remove_cgroups() {
  find /sys/fs/cgroup -depth -type d -path "*/${tmp##*/}*" -exec rmdir {} + || true
}
end_job() { # signal
  kill "-$1" -- "-$job" || return 0
  # A cluster of somebody else is tidied up; a node just ends.
  for _ in {1..900}; do
    kill -0 -- "-$job" || return 0
    sleep 0.2
  done
}
clean_up() {
  trap '' INT TERM HUP
  if [[ -n ${job:-} ]]; then
    [[ -z ${E2E_KUBECONFIG:-} ]] || end_job TERM
    end_job KILL
  fi 2>/dev/null
  [[ -n ${E2E_KUBECONFIG:-} ]] || remove_cgroups 2>/dev/null
  rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'echo "cleaning up" >&2; exit 130' INT
trap 'exit 143' TERM

# A process group of its own for each job: one signal reaches all of it, and Ctrl-C reaches this script alone.
set -m
job=
in_group() { # command...
  "$@" </dev/null &
  job=$!
  local status=0
  wait "$job" || status=$?
  job=
  return "$status"
}

programs=(kubectl helm versitygw)
[[ -n ${E2E_KUBECONFIG:-} ]] || programs+=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet)
in_group hack/tools.sh "${programs[@]}" >"$tmp/tools-folder"
tools=$(<"$tmp/tools-folder")
if [[ -z ${PSU_OPERATOR:-} ]]; then
  echo "building the operator as for a release" >&2
  in_group cargo build --quiet --locked --release --package presigned-url-operator --bin presigned-url-operator
  PSU_OPERATOR=${CARGO_TARGET_DIR:-target}/release/presigned-url-operator
  of_release=yes
fi

# shellcheck source=hack/e2e/images.sh
. hack/e2e/images.sh
mkdir "$tmp/images"
in_group build_operator_image "$PSU_OPERATOR"
in_group build_tools_image
size=$(($(stat -c %s "$tmp/images/operator.tar") / 1000000))
echo "the operator's image: $size MB"
documented=$(sed -n 's/.*The image is \([0-9]*\) MB .*/\1/p' docs/operations.md)
if [[ -n ${of_release:-} ]] && ((size * 10 > documented * 11 || size * 10 < documented * 9)); then
  echo "e2e.sh: docs/operations.md says that the image is $documented MB" >&2
  exit 1
fi

export PSU_TOOLS_DIR=$tools E2E_IMAGES=$tmp/images
if [[ -n ${E2E_KUBECONFIG:-} ]]; then
  export KUBECONFIG=$E2E_KUBECONFIG E2E_LOAD=${E2E_LOAD:-kind load image-archive} E2E_CLEAN=1
  in_group hack/e2e/promises.sh
else
  # If this script is killed, so is the node.
  in_group setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child=KILL --mount-proc --propagation private \
    hack/e2e/node.sh "$tmp" hack/e2e/promises.sh
fi
