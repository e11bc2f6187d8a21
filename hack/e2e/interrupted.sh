#!/usr/bin/env bash
# Ctrl-C while pods run on the node of hack/e2e.sh leaves no process, mount, network device, cgroup or folder behind.
# Takes the variables of hack/e2e.sh, but for E2E_KUBECONFIG.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset E2E_KUBECONFIG KEEP

folder=$(mktemp -d "${TMPDIR:-/tmp}/presigned-interrupted.XXXXXX")
log=$folder.log
# A process group for the job, as a shell gives a command that is typed.
set -m
TMPDIR=$folder hack/e2e.sh </dev/null >"$log" 2>&1 &
job=$!
end_job() {
  if kill -INT -- "-$job"; then wait "$job"; fi 2>/dev/null || true
  rm -rf "$folder" "$log"
}
trap end_job EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

deadline=$((SECONDS + 900))
until grep -q ^kept "$log"; do
  if ! kill -0 "$job" 2>/dev/null || ((SECONDS >= deadline)); then
    echo "interrupted.sh: no pod ran:" >&2
    tail -n 25 "$log" >&2
    exit 1
  fi
  sleep 0.5
done
node=$(basename "$folder"/presigned-e2e.*)
status=0
kill -INT -- "-$job"
wait "$job" || status=$?

left=()
[[ $status == 130 ]] || left+=("it ended with $status, and 130 is what Ctrl-C gives")
for process in /proc/[0-9]*; do
  if grep -qsF "$node" "$process/cmdline" "$process/cgroup" "$process/environ" && [[ ${process#/proc/} != "$BASHPID" ]]; then
    left+=("the process $(tr '\0' ' ' <"$process/cmdline")")
  fi 2>/dev/null
done
while IFS= read -r mount; do left+=("the mount $mount"); done < <(grep -F "$node" /proc/self/mounts)
while IFS= read -r cgroup; do left+=("the cgroup $cgroup"); done < <(find /sys/fs/cgroup -type d -path "*$node*" 2>/dev/null)
while IFS= read -r file; do left+=("the file $file"); done < <(find "$folder" -mindepth 1)
while IFS= read -r device; do left+=("the device $device"); done < <(ip -oneline link | grep -w e2e0)
if [[ ${#left[@]} -gt 0 ]]; then
  echo "BROKEN  Ctrl-C leaves ${#left[@]} things behind:"
  printf '        %s\n' "${left[@]:0:25}"
  exit 1
fi
echo "kept    Ctrl-C leaves nothing of the node behind"
