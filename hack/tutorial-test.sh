#!/usr/bin/env bash
# Every command of docs/tutorial.md, in its order and in one shell, as a reader types them; what they print has to be what the
# page shows, but for times and ages. Ports, folders and the cluster are the test's own.
#
#   PSU_TESTKIT, PSU_OPERATOR   the built programs, for `make cluster` and `make build`; default: built by cargo
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$("$root/hack/tools.sh" etcd kube-apiserver kube-controller-manager kubectl versitygw)
export PSU_TOOLS_DIR=$tools
for program in PSU_TESTKIT PSU_OPERATOR; do
  [[ -z ${!program:-} ]] || export "$program=$(realpath "${!program}")"
done
tmp=$(mktemp -d)
# shellcheck source=hack/control-plane.sh
. "$root/hack/control-plane.sh"
# A cluster that somebody has up by `make cluster` is not this one.
export XDG_CACHE_HOME=$tmp/cache

make() {
  case ${PSU_TESTKIT:+set}:$* in
  "set:-s cluster") "$PSU_TESTKIT" cluster up ;;
  set:cluster-down) "$PSU_TESTKIT" cluster down ;;
  set:build) ;;
  *) command make "$@" ;;
  esac
}
export -f make

script=$tmp/tutorial.sh
s3_port=$(free_port)
metrics_port=$(free_port)
health_port=$(free_port)
here() { # puts the test's own names for those of the page
  sed -e "s|/tmp/tutorial|$tmp/tutorial|g" -e "s/7070/$s3_port/g" -e "s/8080/$metrics_port/g" -e "s/8081/$health_port/g" \
    -e "s|\$PWD/target/debug|${PSU_OPERATOR:+$(dirname "$PSU_OPERATOR")}|; s|PATH=:|PATH=\$PWD/target/debug:|"
}
blocks() { # language
  awk -v open="\`\`\`$1" '$0 == open { inside = 1; next } $0 == "```" { inside = 0 } inside' "$root/docs/tutorial.md" | here
}
{
  echo 'trap '\''status=$?; [[ $status == 0 ]] || { kill ${operator:-} ${s3:-}; make cluster-down; cat '"$tmp"'/tutorial/*.log; } >&2; exit $status'\'' EXIT'
  blocks sh
} >"$script"
trap 'rm -rf "$tmp"' EXIT

normal() { # without times, ages, and the widths of columns
  sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g' -e 's/ [0-9]+s$/ AGE/' -e 's/ +/ /g'
}
cd "$root"
bash -euo pipefail "$script" </dev/null >"$tmp/said" 2>"$tmp/complaints" || {
  cat "$tmp/said" "$tmp/complaints" >&2
  echo "tutorial-test.sh: a command of docs/tutorial.md failed" >&2
  exit 1
}
normal <"$tmp/said" >"$tmp/normal"
missing=0
lines=0
while IFS= read -r line; do
  lines=$((lines + 1))
  grep -qxF -- "$line" "$tmp/normal" || {
    echo "docs/tutorial.md shows, and no command prints: $line"
    missing=1
  }
done < <(blocks text | normal)
((lines > 10))
[[ $missing == 0 ]] || {
  echo "They printed:"
  sed 's/^/      /' "$tmp/normal"
  exit 1
}
echo "tutorial: every command works, and prints the $lines lines that it should"
