#!/usr/bin/env bash
# `make demo`: builds what the demo needs, then becomes the demo. Whatever ends the build, Ctrl-C and SIGTERM included,
# ends every process of it; compilers' temporary files are in one folder, which goes with them.
#
#   hack/demo.sh          the demo, which ends by itself
#   hack/demo.sh --keep   stays up until Ctrl-C
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tmp=$(mktemp -d "${TMPDIR:-/tmp}/presigned-demo-build.XXXXXX")

end_jobs() {
  local job
  for job in $(jobs -p); do
    kill -TERM -- "-$job" || continue
    # Compilers end at once; a second later whoever is left gets no choice.
    for _ in {1..10}; do
      kill -0 -- "-$job" || break
      sleep 0.1
    done
    kill -KILL -- "-$job" || true
  done
}
clean_up() {
  trap '' INT TERM HUP
  end_jobs 2>/dev/null
  rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A process group of its own for each job: one signal reaches cargo, rustc and the linker alike.
set -m
in_group() { # command...
  TMPDIR=$tmp "$@" </dev/null &
  wait "$!"
}

echo "Building the operator, the demo and Kubernetes: some 9 minutes and 9 GB of disk the first time, seconds after." >&2
in_group cargo build --locked --workspace --bins --message-format=json-render-diagnostics >"$tmp/artifacts"
in_group hack/tools.sh etcd kube-apiserver kube-controller-manager kubectl versitygw >/dev/null

executable() { sed -n "s|.*\"executable\":\"\([^\"]*/$1\)\".*|\1|p" "$tmp/artifacts" | tail -n 1; }
testkit=$(executable presigned-testkit)
operator=$(executable presigned-url-operator)
[[ -x $testkit && -x $operator ]] || {
  echo "demo.sh: cargo built no presigned-testkit or no presigned-url-operator" >&2
  exit 1
}

rm -rf "$tmp"
trap - EXIT HUP INT TERM
exec "$testkit" demo --operator "$operator" "$@"
