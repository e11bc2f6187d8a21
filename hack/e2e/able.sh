#!/usr/bin/env bash
# Can this machine be a node of Kubernetes? hack/e2e/able.sh says why not in one sentence, and fails then. It leaves nothing behind.
set -euo pipefail
# What asks the terminal in the background is stopped, for good.
exec </dev/null

no() {
  echo "This machine can't be a node: $*." >&2
  exit 1
}
[[ $(uname) == Linux ]] || no "it is no Linux"
[[ $(id -u) == 0 ]] || no "only root may start containers; with E2E_KUBECONFIG another cluster is used"
[[ -r /dev/kmsg ]] || no "/dev/kmsg can't be read, and the kubelet looks there for processes that ran out of memory"

own=(timeout --foreground --kill-after=5 30 unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private)
"${own[@]}" true 2>/dev/null || no "it gives no namespaces of its own (mounts, network, processes)"
"${own[@]}" mount -t tmpfs tmpfs /mnt 2>/dev/null || no "nothing may be mounted"

# cgroup v2, and v1's tree of the memory.
for tree in /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [[ ! -e $tree ]] || cgroups=${tree%/*}
done
[[ -n ${cgroups:-} ]] || no "there is no cgroup tree for memory in /sys/fs/cgroup"
trial=$cgroups/presigned-e2e-trial-$$
mkdir "$trial" 2>/dev/null || no "no cgroup may be made in $cgroups"
rmdir "$trial"

# The rest is tried once the programs are there.
if command -v ip >/dev/null; then
  "${own[@]}" sh -c 'ip link add e2e0 type bridge && ip link add e2e1 type veth peer name e2e2' 2>/dev/null ||
    no "its kernel has no bridges or no veth devices"
fi
if command -v runc >/dev/null && command -v busybox >/dev/null; then
  bundle=$(mktemp -d)
  trap 'rm -rf "$bundle"; find /sys/fs/cgroup -depth -type d -name "${trial##*/}" -exec rmdir {} +' EXIT
  "$(dirname "${BASH_SOURCE[0]}")/../image-root.sh" "$bundle/rootfs" busybox
  runc spec --bundle "$bundle"
  sed -i -e 's/"terminal": true/"terminal": false/; s/^\([[:space:]]*\)"sh"$/\1"busybox", "true"/' \
    -e 's|^\(\t\t"resources": {\)$|\1 "memory": {"limit": 67108864},|' \
    -e "s|^\(\t\"linux\": {\)\$|\1 \"cgroupsPath\": \"/${trial##*/}\", |" "$bundle/config.json"
  said=$("${own[@]}" runc --root "$bundle/state" run --bundle "$bundle" "${trial##*/}" 2>&1) ||
    no "runc can't run a container (${said:-it says nothing})"
fi
