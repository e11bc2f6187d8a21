#!/usr/bin/env bash
# A single node of Kubernetes: hack/e2e/node.sh FOLDER COMMAND... brings it up, runs the command with KUBECONFIG and
# E2E_LOAD, and ends. hack/e2e.sh runs it as process 1 of namespaces of its own (mounts, network, processes): whatever ends
# it ends every process, mount and network device of the node. What it writes lies in FOLDER, which also holds the archive
# images/tools.tar; cgroups are below one with FOLDER's name, and are what remains for hack/e2e.sh to remove. The command
# is given FOLDER as E2E_NODE: running/PROGRAM starts a program once more, and running/PROGRAM.pid is its process.
#
#   PSU_TOOLS_DIR   a folder with etcd, the programs of Kubernetes and kubectl
#   KEEP            1: it stays up after the command
set -euo pipefail

folder=$1
shift
tools=$PSU_TOOLS_DIR
export PATH=$tools:$PATH
[[ $$ == 1 ]] || {
  echo "node.sh: run hack/e2e.sh, which gives the node namespaces of its own" >&2
  exit 1
}

address=10.96.0.1 # The first of the Services' addresses: that of kubernetes.default.
pods=10.244.7.0/24
cgroup=/${folder##*/}
containerd=$folder/containerd.sock
for plugins in /usr/lib/cni /opt/cni/bin; do
  [[ ! -x $plugins/bridge ]] || break
done

# The machine's own files of these kinds stay as they are.
for needed in "$folder" "$tools" "$PWD"; do
  case $(realpath "$needed")/ in
  /run/* | /var/lib/* | /var/log/*)
    echo "node.sh: $needed is hidden from the node, which has a /run, a /var/lib and a /var/log of its own; use another folder" >&2
    exit 1
    ;;
  esac
done
for place in /run /var/lib /var/log; do
  mkdir -p "$folder/place$place"
  mount --bind "$folder/place$place" "$place"
done
# The kubelet sets these, and they belong to the whole machine: it sets files instead.
mkdir "$folder/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/proc/sys/${setting%=*}
  echo "${setting#*=}" >"$folder/sysctl/${file##*/}"
  [[ ! -e $file ]] || mount --bind "$folder/sysctl/${file##*/}" "$file"
done
# Mounts of the kubelet have to reach the containers.
mount --make-rshared /
ip link set lo up
ip address add "$address/32" dev lo

start() { # program, arguments
  local program=$folder/running/$1
  printf '#!/usr/bin/env bash\nexec %s >>%q 2>&1 </dev/null\n' "${*@Q}" "$folder/log/$1.log" >"$program"
  chmod +x "$program"
  "$program" &
  echo "$!" >"$program.pid"
  # If it is killed, nobody has to read of it.
  disown
}
until_true() { # seconds, command...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >"$folder/awaited" 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "node.sh: waited in vain for: $*" >&2
      cat "$folder/awaited" >&2
      tail -n 5 "$folder"/log/*.log >&2
      exit 1
    fi
    sleep 0.2
  done
}

mkdir "$folder/log" "$folder/running"
etcd_url=http://127.0.0.1:2379
start etcd --unsafe-no-fsync --data-dir "$folder/etcd" --listen-client-urls $etcd_url --advertise-client-urls $etcd_url \
  --listen-peer-urls http://127.0.0.1:2380
openssl genrsa -out "$folder/accounts.key" 2048 2>/dev/null
openssl rsa -in "$folder/accounts.key" -pubout -out "$folder/accounts.pub" 2>/dev/null
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
(umask 077 && echo "$token,admin,admin,system:masters" >"$folder/tokens")
start kube-apiserver --etcd-servers=$etcd_url --bind-address=$address --advertise-address=$address --secure-port=443 \
  --cert-dir="$folder/certificates" --service-cluster-ip-range=10.96.0.0/16 --endpoint-reconciler-type=none \
  --service-account-key-file="$folder/accounts.pub" --service-account-signing-key-file="$folder/accounts.key" \
  --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$folder/tokens" --authorization-mode=RBAC \
  --kubelet-preferred-address-types=InternalIP
cat >"$folder/kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://$address", certificate-authority: $folder/certificates/apiserver.crt}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: node, context: {cluster: node, user: admin}}]
current-context: node
Y
export KUBECONFIG=$folder/kubeconfig
until_true 60 kubectl get --raw /readyz
start kube-controller-manager --kubeconfig="$KUBECONFIG" --use-service-account-credentials --leader-elect=false \
  --service-account-private-key-file="$folder/accounts.key" --root-ca-file="$folder/certificates/apiserver.crt" \
  --cert-dir="$folder/controller-manager"
start kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false

mkdir "$folder/cni"
cat >"$folder/cni/10-bridge.conflist" <<Y
{"cniVersion": "0.4.0", "name": "e2e", "plugins": [{"type": "bridge", "bridge": "e2e0", "isGateway": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
Y
cat >"$folder/containerd.toml" <<Y
version = 2
root = "$folder/containerd"
state = "$folder/containerd-state"
[grpc]
  address = "$containerd"
[plugins."io.containerd.internal.v1.opt"]
  path = "$folder/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.example.com/tools:1"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE runc fails otherwise, and does not say why.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$plugins"
    conf_dir = "$folder/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
Y
start containerd --config "$folder/containerd.toml"
until_true 30 ctr --address "$containerd" version
export E2E_LOAD="ctr --address $containerd --namespace k8s.io images import"
# The kubelet starts no pod without it.
$E2E_LOAD "$folder/images/tools.tar" >"$folder/log/import.log"

# How it runs here, where cgroups may be of the first version and are nobody's but the node's. What a user may notice of a
# kubelet, such as how soon a mounted Secret follows, is as it comes.
cat >"$folder/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
readOnlyPort: 0
containerRuntimeEndpoint: unix://$containerd
cgroupDriver: cgroupfs
cgroupRoot: $cgroup
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 1Mi}
resolvConf: ""
volumePluginDir: $folder/volume-plugins
Y
start kubelet --kubeconfig="$KUBECONFIG" --config="$folder/kubelet.yaml" --root-dir="$folder/kubelet" \
  --cert-dir="$folder/kubelet-certificates" --hostname-override=e2e --node-ip=$address
until_true 90 kubectl wait --for=condition=Ready --timeout=1s node/e2e

export E2E_NODE=$folder
status=0
"$@" || status=$?
if [[ -n ${KEEP:-} ]]; then
  echo "The node stays up until Ctrl-C. To look at it from another shell:"
  echo "  nsenter --mount --net --pid --target \$(pgrep -f '^/?[^ ]*bash .*node.sh $folder') \\"
  echo "    env KUBECONFIG=$KUBECONFIG PATH=$tools:\$PATH kubectl get pods -A"
  sleep infinity
fi
exit "$status"
