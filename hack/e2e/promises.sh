#!/usr/bin/env bash
# What the operator promises on a real cluster, tried one by one: the chart as it comes, the manifests of README.md, of
# docs/tutorial.md and of examples/, and pods with plain curl, wget and aria2c. hack/e2e.sh gives it the cluster and the
# images.
#
#   KUBECONFIG, E2E_LOAD, E2E_IMAGES   the cluster, a command that loads an archive of images into it, and their folder
#   PSU_TOOLS_DIR                      a folder with helm and kubectl
#   E2E_CLEAN                          set: what was installed is removed at the end
#   E2E_NODE                           the folder of the node, if hack/e2e/node.sh brought it up
#   E2E_SAMPLE_SECONDS                 how long a mounted URL is sampled; default 480
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
chart=$root/charts/presigned-url-operator
export PATH=$PSU_TOOLS_DIR:$PATH
tmp=$(mktemp -d)
# shellcheck source=hack/e2e/cluster.sh
. "$root/hack/e2e/cluster.sh"
export HELM_CONFIG_HOME=$tmp/helm HELM_CACHE_HOME=$tmp/helm HELM_DATA_HOME=$tmp/helm

namespace=presigned-system
release=presigned-url-operator
deployment=deployment/$release
sampled=${E2E_SAMPLE_SECONDS:-480}
# What `helm uninstall` keeps.
crds=(customresourcedefinition/{presignedurls,presignedurlpolicies,clusterobjectstores}.presigned.dev)
namespaces=(namespace/{team-a,team-t,s3,$namespace})

finish() {
  if [[ -n ${E2E_CLEAN:-} ]]; then
    helm uninstall "$release" --namespace "$namespace" --timeout 1m || true
    kubectl delete clusterrolebinding/e2e-editor --ignore-not-found || true
    kubectl delete "${namespaces[@]}" --ignore-not-found --timeout=2m || true
    kubectl delete "${crds[@]}" --ignore-not-found --timeout=1m || true
  fi >/dev/null 2>&1
  rm -rf "$tmp"
}
if there=$(kubectl get "${crds[@]}" "${namespaces[@]}" --ignore-not-found -o name | xargs) && [[ -n $there ]]; then
  echo "promises.sh: this cluster has $there already; use one that may be thrown away" >&2
  rm -rf "$tmp"
  exit 1
fi
trap finish EXIT
trap 'exit 143' TERM
for archive in "$E2E_IMAGES"/*.tar; do
  $E2E_LOAD "$archive" >/dev/null
done

kubectl create namespace s3 >/dev/null
kubectl apply -f "$root/hack/e2e/s3.yaml" >/dev/null
kubectl --namespace s3 wait --for=condition=Ready --timeout=2m pod/s3 >/dev/null
endpoint=http://$(kubectl --namespace s3 get pod s3 -o 'jsonpath={.status.podIP}'):7070

stock_chart() {
  kubectl create namespace "$namespace"
  kubectl --namespace "$namespace" create secret generic s3-credentials \
    --from-literal=accessKeyID=demo --from-literal=secretAccessKey=demo-secret
  date +%s >"$tmp/began"
  helm install "$release" "$chart" --namespace "$namespace" --timeout 3m
  kubectl --namespace "$namespace" rollout status "$deployment" --timeout=2m
}
promise "helm install with stock values makes two operators that are ready" stock_chart

store_and_policies() {
  from_readme ClusterObjectStore | sed "s|https://s3.example.com|$endpoint|" | kubectl apply -f -
  kubectl apply -f "$root/examples/policy-team.yaml"
  kubectl wait --for=condition=Ready --timeout=1m clusterobjectstore/default presignedurlpolicy/{teams,teams-read-their-own}
}
promise "the store and the policies of the README and of the examples are ready" store_and_policies

kubectl create namespace team-a >/dev/null
# Each of these waits for its Secret, and the long ones run beside the others.
sed "s/value: \"360\"/value: \"$sampled\"/" "$root/hack/e2e/sampler.yaml" | kubectl apply -f - >/dev/null
from_readme Pod | kubectl apply -f - >/dev/null
for name in download many-keys prefix upload upload-form; do
  example "$name" | kubectl apply -f - >/dev/null
done

waits() {
  tenants get events --field-selector=involvedObject.name=server,reason=FailedMount -o 'jsonpath={.items[*].message}' |
    grep 'secret "model" not found'
}
started() { tenants get pod server -o 'jsonpath={.status.containerStatuses[*].containerID}{.status.initContainerStatuses[*].containerID}'; }
# A pod's last lines may come after its end.
logged() { # what, words, in how many lines
  [[ $(tenants logs "$1" | tee "$tmp/logged" | grep -c -e "$2") == "$3" ]] || { cat "$tmp/logged"; return 1; }
}
waiting_pod() {
  until_true 60 waits
  same "what runs of the pod" "" "$(started)"
  same "what kubectl shows" Init:0/1 "$(tenants get pod server --no-headers | awk '{ print $3 }')"
  from_readme PresignedURL | kubectl apply -f -
  tenants wait --for=condition=Ready --timeout=200s pod/server
  echo "$(($(date +%s) - $(<"$tmp/began")))" >"$tmp/took"
  until_true 30 logged server 1000000 1
}
promise "the README's pod waits until its first URL is there, then downloads by itself" waiting_pod
within_five_minutes() { [[ $(<"$tmp/took") -le 300 ]]; }
promise "from helm install to that download less than five minutes pass" within_five_minutes
echo "from helm install to a pod's download: $(cat "$tmp/took" || echo too many) s"

curl_downloads() {
  tenants wait --for=condition=Ready --timeout=200s pod/inference
  same "the object" "$(in_bucket sha256sum models/public/llama/weights.bin | cut -d ' ' -f 1)" \
    "$(tenants exec inference -- sha256sum /models/weights.bin | cut -d ' ' -f 1)"
}
promise "a pod that mounts the Secret downloads with plain curl" curl_downloads

wget_downloads() {
  has_run year
  # It fails if one of the objects does not come, and is quiet, since it would log the URLs.
  same "its log" "" "$(tenants logs job/year)"
}
promise "a pod that mounts the Secret downloads with plain wget" wget_downloads

aria2_downloads() {
  has_run train
  until_true 30 logged job/train '^/data/' 2
  same "files" "/data/team-a/images/a.png /data/team-a/images/b.png" "$(tenants logs job/train | sort | xargs)"
}
promise "a pod that mounts the Secret downloads with plain aria2c" aria2_downloads

put_uploads() {
  tenants create job --from=cronjob/report report-now
  has_run report-now
  in_bucket cat data/team-a/reports/latest.txt | tee /dev/stderr | grep UTC
}
promise "a pod uploads by PUT" put_uploads

post_uploads() {
  has_run summary
  same "the object" quarter,downloads "$(in_bucket cat data/team-a/forms/summary.csv)"
}
promise "a pod uploads by POST" post_uploads

tutorial() {
  local in_server=(tenants exec -i server -- sh -c)
  in_bucket 'mkdir -p models/team-t && echo "weights of the model" >models/team-t/model.bin'
  from_tutorial 1 | kubectl apply -f -
  kubectl wait --for=condition=Ready --timeout=1m clusterobjectstore/default presignedurlpolicy/teams-read-their-own
  kubectl create namespace team-t
  from_tutorial 2 | kubectl apply -f -
  from_tutorial 3 | kubectl apply -f -
  kubectl --namespace team-t wait --for=condition=Verified --timeout=1m psu/model
  kubectl --namespace team-t wait --for=condition=Ready=false --timeout=1m psu/not-mine
  same "the object" "weights of the model" "$(conf_of model | "${in_server[@]}" 'curl --silent -K - -o -')"
  eval "$(from_tutorial_patch)"
  from_tutorial 4 | kubectl apply -f -
  kubectl --namespace team-t wait --for=condition=Ready --timeout=1m psu/note
  conf_of note | "${in_server[@]}" 'cat >/data/form.conf && echo "read me first" >/data/note.txt &&
    curl --silent -K /data/form.conf -F file=@/data/note.txt'
  same "what was sent" "read me first" "$(in_bucket cat models/team-t/note.txt)"
  from_tutorial 5 | kubectl apply -f -
  kubectl --namespace team-t wait --for=condition=Ready --timeout=1m psu/everything
  same "all objects" "./team-t/model.bin ./team-t/note.txt" "$(conf_of everything |
    "${in_server[@]}" 'mkdir /data/all && cd /data/all && curl --silent -K - && find . -type f | sort' | xargs)"
}
conf_of() { kubectl --namespace team-t get secret "$1" -o 'jsonpath={.data.curl\.conf}' | base64 -d; }
promise "the tutorial's manifests do here what the page shows" tutorial

account=tenant
as_account() { timeout 60 kubectl --kubeconfig "$tmp/$account.kubeconfig" --namespace team-a "$@"; }
new_account() { # kind of the binding that gives it the role edit
  tenants create serviceaccount "$account"
  tenants create "$1" "e2e-$account" --clusterrole=edit --serviceaccount="team-a:$account"
  kubectl config view --raw --minify --flatten >"$tmp/$account.kubeconfig"
  as_account config set-credentials "$account" --token "$(tenants create token "$account" --duration 1h)"
  as_account config set-context --current --user "$account"
  until_true 20 as_account auth can-i create presignedurls.presigned.dev
}
refused() { # command...
  if as_account "$@" >"$tmp/refused" 2>&1; then
    echo "$account may: $*"
    return 1
  fi
  grep -i forbidden "$tmp/refused" || { cat "$tmp/refused" && return 1; }
}
tenants_account() {
  new_account rolebinding
  from_readme PresignedURL | sed 's/name: model/name: own/' | as_account apply -f -
  as_account wait --for=condition=Ready --timeout=1m psu/own
  as_account get secret own
  refused patch psu own --subresource=status --type=merge --patch '{"status": {"revision": 99}}'
  refused get secret s3-credentials --namespace "$namespace"
  as_account delete psu own
  tenants wait --for=delete --timeout=1m secret/own
}
promise "a tenant's ServiceAccount with the role edit makes PresignedURLs, and reaches no status and no key" tenants_account

# In one namespace the role could say what it likes of stores and policies, which are in none.
account=editor
everywhere() {
  local object
  new_account clusterrolebinding
  for object in clusterobjectstores.presigned.dev/default presignedurlpolicies.presigned.dev/teams; do
    refused get "$object"
    refused patch "$object" --type=merge --patch '{"metadata": {"labels": {"touched": "yes"}}}'
    refused delete "$object"
  done
  from_readme ClusterObjectStore | sed 's/name: default/name: mine/; s/name: teams-read-their-own/name: mine/' >"$tmp/mine.yaml"
  refused create -f "$tmp/mine.yaml"
  same "the stores and policies that it made" "" \
    "$(kubectl get clusterobjectstore/mine presignedurlpolicy/mine --ignore-not-found -o name)"
}
promise "a ServiceAccount with the role edit in every namespace touches no policy and no store" everywhere
kubectl delete clusterrolebinding/e2e-editor --ignore-not-found >/dev/null

issued() { # every Secret of a PresignedURL but the one that is renewed within minutes
  tenants get secrets -o 'jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}/{.metadata.resourceVersion}{"\n"}{end}' |
    grep -v '^sampled='
}
version_of_sampled() { tenants get secret sampled -o 'jsonpath={.metadata.resourceVersion}'; }
renewed_since() { [[ $(version_of_sampled) != "$1" ]]; }
leader() {
  local holder
  holder=$(kubectl --namespace "$namespace" get lease "$release" -o 'jsonpath={.spec.holderIdentity}')
  echo "${holder%%_*}"
}
a_pod_of_this_rollout_leads() { kubectl --namespace "$namespace" get pods --selector "e2e=$1" -o name | grep -F "$(leader)"; }
# The next renewal of the sampled URL is the new leader's; what it finds wrong it would have rotated by then.
renewed_by_another_pod() { # label of its pods
  local before
  kubectl --namespace "$namespace" rollout status "$deployment" --timeout=2m
  until_true 60 a_pod_of_this_rollout_leads "$1"
  before=$(version_of_sampled)
  until_true 180 renewed_since "$before"
}
operators() { kubectl --namespace "$namespace" get pods --selector app.kubernetes.io/name=presigned-url-operator "$@"; }
evict() { # pod
  timeout 30 kubectl create --raw "/api/v1/namespaces/$namespace/pods/$1/eviction" -f - \
    <<<"{\"apiVersion\": \"policy/v1\", \"kind\": \"Eviction\", \"metadata\": {\"name\": \"$1\", \"namespace\": \"$namespace\"}}"
}
budget() { same "pods that may be evicted" "$1" "$(kubectl --namespace "$namespace" get pdb "$release" -o 'jsonpath={.status.disruptionsAllowed}')"; }
drained() {
  local before leader other
  before=$(issued)
  until_true 60 budget 1
  leader=$(leader)
  other=$(operators -o 'jsonpath={.items[*].metadata.name}' | tr ' ' '\n' | grep -vxF "$leader")
  evict "$leader"
  if evict "$other" >"$tmp/evicted" 2>&1; then
    echo "both replicas were evicted"
    return 1
  fi
  grep "violate the pod's disruption budget" "$tmp/evicted" || { cat "$tmp/evicted" && return 1; }
  kubectl --namespace "$namespace" rollout status "$deployment" --timeout=2m
  until_true 60 budget 1
  same "the leader" "$other" "$(leader)"
  same "Secrets" "$before" "$(issued)"
}
promise "a drain evicts one replica, not the other too; that one leads, and nothing is rotated" drained

upgrade() {
  local before
  before=$(issued)
  helm upgrade "$release" "$chart" --namespace "$namespace" --reuse-values --set podLabels.e2e=upgraded \
    --set tests.image=registry.example.com/tools:1 --timeout 3m
  renewed_by_another_pod upgraded
  same "Secrets" "$before" "$(issued)"
}
promise "helm upgrade rotates nothing" upgrade

# A node without DNS and kube-proxy knows no Service by its name: there the pod is told where one replica is.
name_the_service() {
  kubectl apply -f - <<Y
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: e2e-names}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  matchConditions: [{name: of-helm-test, expression: "object.metadata.?name.orValue('') == '$release-test'"}]
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        [JSONPatch{op: "add", path: "/spec/hostAliases", value: [Object.spec.hostAliases{
        ip: "$(operators -o 'jsonpath={.items[0].status.podIP}')", hostnames: ["$release-metrics.$namespace.svc"]}]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: e2e-names}
spec: {policyName: e2e-names}
Y
  until_true 30 is_named
}
is_named() {
  helm get hooks "$release" --namespace "$namespace" | kubectl create --dry-run=server -f - -o yaml | grep hostAliases
}
helm_test() {
  [[ -z ${E2E_NODE:-} ]] || name_the_service
  helm test "$release" --namespace "$namespace" --timeout 2m --logs
  [[ -z ${E2E_NODE:-} ]] || kubectl delete mutatingadmissionpolic{ies,ybindings}.admissionregistration.k8s.io/e2e-names
}
promise "helm test finds the operator through its metrics Service" helm_test

every_container_restarted() {
  same "restarts, and whether they are ready" "1 true 1 true" \
    "$(operators -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready} {end}' | xargs)"
}
reboot() {
  local before version program process
  before=$(issued)
  for program in kubelet containerd; do
    kill -KILL "$(<"$E2E_NODE/running/$program.pid")"
  done
  # What a process is called is cut to 15 letters.
  for process in $(grep -lx presigned-url-o /proc/[0-9]*/comm); do
    kill -KILL "$(basename "$(dirname "$process")")"
  done
  "$E2E_NODE/running/containerd" &
  # As systemd does: the kubelet ends if containerd is not ready yet.
  until "$E2E_NODE/running/kubelet"; do sleep 1; done &
  until_true 150 every_container_restarted
  version=$(version_of_sampled)
  until_true 180 renewed_since "$version"
  same "Secrets" "$before" "$(issued)"
}
if [[ -n ${E2E_NODE:-} ]]; then
  promise "the node's kubelet and containerd and both replicas are killed at once: nothing is rotated, and renewals go on" reboot
fi

# What the docs ask of pods; hack/docs-test.sh has none. A filter may find nothing.
asks_pods() {
  awk '/^kubectl -n presigned-system (logs|rollout status) / || more { print; more = /\\$/ }' \
    "$root/docs/runbook.md" "$root/docs/upgrade.md" >"$tmp/asks"
  [[ -n ${E2E_NODE:-} ]] || sed -i '/--previous/ d' "$tmp/asks"
  grep -E ' logs .*(--all-pods|--previous)' "$tmp/asks"
  grep -E ' rollout status ' "$tmp/asks"
  { echo 'grep() { command grep "$@" || [[ $? == 1 ]]; }'; cat "$tmp/asks"; } | bash -euo pipefail
}
promise "the docs' commands for pods show their logs and their rollout" asks_pods

sampler_ends() { tenants get pod sampler -o 'jsonpath={.status.phase}' | grep -E 'Succeeded|Failed'; }
sampled() {
  until_true $((sampled + 60)) sampler_ends
  tenants logs sampler | tee "$tmp/samples"
  grep -E ' dead=0 ' "$tmp/samples"
  [[ $(sed -n 's/^samples=\([0-9]*\) .*/\1/p' "$tmp/samples") -gt $((sampled / 4)) ]]
}
promise "a pod that lives on never holds a dead URL in its mount, sampled each second for $sampled s" sampled
rotations() {
  tail -n 1 "$tmp/samples"
  [[ $(sed -n 's/.* urls=//p' "$tmp/samples") -gt $((sampled / 180)) ]]
}
promise "and it sees the rotations through that mount" rotations
tail -n 1 "$tmp/samples"

uninstall() {
  local before
  before=$(issued)
  helm uninstall "$release" --namespace "$namespace" --wait --timeout 2m
  kubectl --namespace "$namespace" wait --for=delete --timeout=1m "$deployment"
  kubectl get "${crds[@]}"
  tenants get psu model images summary
  same "Secrets" "$before" "$(issued)"
  kubectl get clusterobjectstore default
  tenants delete pod server
  from_readme Pod | kubectl apply -f -
  tenants wait --for=condition=Ready --timeout=200s pod/server
}
promise "helm uninstall keeps the CRDs and what is in them, and pods go on downloading" uninstall

reinstall() {
  local before
  before=$(issued)
  helm install "$release" "$chart" --namespace "$namespace" --set podLabels.e2e=again --timeout 3m
  renewed_by_another_pod again
  same "Secrets" "$before" "$(issued)"
}
promise "installed once more, it takes them over and rotates nothing" reinstall

echo "promises: $kept kept, $broken broken"
[[ $broken == 0 ]]
