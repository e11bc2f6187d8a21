#!/usr/bin/env bash
# What the Helm chart gives, tried on a real API server: the rights of the operator's account to the letter, what the
# admission policy lets it write, what users may do, and what an install, an upgrade and an uninstall leave.
# It brings a control plane of its own, since it installs and removes CRDs; there is no node, so no pod ever starts.
#
#   PSU_TESTKIT               the built presigned-testkit; default: built by cargo
#   PSU_TOOLS_DIR             a folder with helm and kubectl; default: what hack/tools.sh builds
#   PSU_THROWAWAY_KUBECONFIG  a control plane to use instead, without CRDs of presigned.dev; it is left changed
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=$root/charts/presigned-url-operator
tools=${PSU_TOOLS_DIR:-}
if [[ ! -x $tools/helm || ! -x $tools/kubectl ]]; then
  tools=$("$root/hack/tools.sh" helm kubectl)
fi
export PATH=$tools:$PATH
tmp=$(mktemp -d)
supervisor=
finish() {
  # Its standard input is what keeps the control plane up.
  if [[ -n $supervisor ]]; then
    exec {keep_up}>&-
    wait "$supervisor" || true
  fi
  rm -rf "$tmp"
}
trap finish EXIT
export HELM_CONFIG_HOME=$tmp/helm HELM_CACHE_HOME=$tmp/helm HELM_DATA_HOME=$tmp/helm

if [[ -n ${PSU_THROWAWAY_KUBECONFIG:-} ]]; then
  export KUBECONFIG=$PSU_THROWAWAY_KUBECONFIG
else
  mkfifo "$tmp/input" "$tmp/output"
  testkit=(cargo run --quiet --locked --package presigned-testkit --)
  [[ -z ${PSU_TESTKIT:-} ]] || testkit=("$PSU_TESTKIT")
  (cd "$root" && exec "${testkit[@]}" control-plane <"$tmp/input" >"$tmp/output") &
  supervisor=$!
  exec {keep_up}>"$tmp/input"
  IFS= read -r ready <"$tmp/output"
  KUBECONFIG=$(sed 's/.*"kubeconfig":"\([^"]*\)".*/\1/' <<<"$ready")
  export KUBECONFIG
fi

passed=0
failed=0
report() { # what, whether, why
  if [[ $2 == yes ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL  $1"
    sed 's/^/      /' <<<"$3"
  fi
}
is() { # what, expected, actual
  if [[ $2 == "$3" ]]; then report "$1" yes ""; else report "$1" no "expected '$2', is '$3'"; fi
}
until_true() { # command...: awaits a condition, for half a minute at most
  local deadline=$((SECONDS + 30))
  until "$@" >"$tmp/awaited" 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "chart-cluster-test.sh: waited 30 s in vain for: $*" >&2
      cat "$tmp/awaited" >&2
      exit 1
    fi
    sleep 0.2
  done
}

namespace=presigned-system
account=system:serviceaccount:$namespace:psu-presigned-url-operator
as_operator=(--as "$account" --as-group system:serviceaccounts --as-group system:authenticated)
release() { # helm command, arguments
  local command=$1
  shift
  helm "$command" psu "$chart" --namespace "$namespace" "$@" >"$tmp/release" 2>&1 || {
    cat "$tmp/release" >&2
    exit 1
  }
}
can() { # expected, namespace, verb, resource[/name] [--subresource=x] [as...]
  local expected=$1 where=$2 verb=$3 what=$4
  shift 4
  local who=("$@") whose="the operator's account"
  if [[ $# == 0 ]]; then who=("${as_operator[@]}"); else whose=${*: -1}; fi
  local resource=${what%%:*} subresource=()
  [[ $what == *:* ]] && subresource=("--subresource=${what##*:}")
  local answer
  answer=$(kubectl auth can-i "$verb" "$resource" "${subresource[@]}" -n "$where" "${who[@]}" 2>"$tmp/can") || true
  is "$whose: $verb $what in $where: $expected" "$expected" "$answer"
}

cat >"$tmp/both.yaml" <<'Y'
stores:
  - {name: default, spec: {s3: {region: eu-west-1, credentials: {default: {}}}}}
policies:
  - name: teams
    spec:
      namespaces: {names: ["team-*"]}
      allow:
        - {stores: [default], buckets: [data], prefixes: ["*"], methods: [GET], maxDuration: 1h}
Y

echo "== install on a cluster without the CRDs"
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
kubectl create namespace team-a >/dev/null
kubectl create namespace team-b >/dev/null
release install
for crd in presignedurls presignedurlpolicies clusterobjectstores; do
  until_true kubectl wait --for=condition=Established --timeout=1s "crd/$crd.presigned.dev"
done
# Without a node it stays pending; that it is there means that the restricted standard lets it in.
pod_exists() { kubectl get pods -n "$namespace" -o name | grep -q .; }
until_true pod_exists

echo "== rights"
for where in team-a team-b; do
  for verb in get list watch create update delete; do can yes $where $verb secrets; done
  for verb in patch deletecollection; do can no $where $verb secrets; done
done
for verb in get list watch; do
  for what in presignedurls presignedurlpolicies clusterobjectstores; do can yes team-a $verb $what.presigned.dev; done
  can yes team-a $verb namespaces
done
for what in presignedurls presignedurlpolicies clusterobjectstores; do
  can yes team-a update $what.presigned.dev:status
  can no team-a patch $what.presigned.dev:status
  for verb in create update patch; do can no team-a $verb $what.presigned.dev; done
done
# What has expired is removed where spec.ttlAfterExpiry says so.
can yes team-a delete presignedurls.presigned.dev
for what in presignedurlpolicies clusterobjectstores; do can no team-a delete $what.presigned.dev; done
can yes team-a create events.events.k8s.io
can no team-a list events.events.k8s.io
can yes team-a get customresourcedefinitions.apiextensions.k8s.io/presignedurls.presigned.dev
can no team-a get customresourcedefinitions.apiextensions.k8s.io/others.example.com
can no team-a list customresourcedefinitions.apiextensions.k8s.io
for what in pods configmaps leases.coordination.k8s.io clusterroles.rbac.authorization.k8s.io; do can no team-a get $what; done
# Tokens of its own account, for stores' webIdentity.audience, and of no other.
can yes $namespace create serviceaccounts/psu-presigned-url-operator:token
can no $namespace create serviceaccounts/default:token
can no $namespace create serviceaccounts:token

echo "== users"
kubectl create rolebinding viewer --clusterrole view --user viewer -n team-a >/dev/null
kubectl create rolebinding editor --clusterrole edit --user editor -n team-a >/dev/null
until_true kubectl auth can-i create presignedurls.presigned.dev -n team-a --as editor
until_true kubectl auth can-i get presignedurls.presigned.dev -n team-a --as viewer
can no team-a create presignedurls.presigned.dev --as viewer
for verb in get list watch create update patch delete; do can yes team-a $verb presignedurls.presigned.dev --as editor; done
for verb in update patch; do can no team-a $verb presignedurls.presigned.dev:status --as editor; done
can no team-a get presignedurlpolicies.presigned.dev --as editor
can no team-a create clusterobjectstores.presigned.dev --as editor

echo "== what the admission policy lets the operator write"
# No controller knows this owner, and no garbage collector looks at Secrets in team-b before the end: it has one owner that lives.
cat >"$tmp/psu.yaml" <<'Y'
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: report, namespace: team-b}
spec: {bucket: data, key: report.csv}
Y
kubectl create -f "$tmp/psu.yaml" >/dev/null
uid=$(kubectl get presignedurls.presigned.dev report -n team-b -o 'jsonpath={.metadata.uid}')
secret() { # name; type=, label=, owner=, uid=, controller= replace what is right
  local name=$1 type=Opaque label=presigned-url-operator owner=report owner_uid=$uid controller=true setting
  shift
  for setting in "$@"; do
    case $setting in
    type=*) type=${setting#*=} ;;
    label=*) label=${setting#*=} ;;
    owner=*) owner=${setting#*=} ;;
    uid=*) owner_uid=${setting#*=} ;;
    controller=*) controller=${setting#*=} ;;
    esac
  done
  echo "{apiVersion: v1, kind: Secret, type: $type, data: {url: eA==, username: eA==, password: eA==}, metadata: {name: $name, namespace: team-b,"
  echo "labels: {presigned.dev/managed-by: $label}, ownerReferences: ["
  if [[ -n $owner ]]; then
    echo "{apiVersion: presigned.dev/v1alpha1, kind: PresignedURL, name: $owner, uid: $owner_uid, controller: $controller, blockOwnerDeletion: false}"
  fi
  echo "]}}"
}
operator_kubectl() { kubectl "${as_operator[@]}" "$@"; }
passes() { # what, command...
  local what=$1 why
  shift
  if why=$("$@" 2>&1); then report "passes: $what" yes ""; else report "passes: $what" no "$why"; fi
}
refused() { # what, words of the refusal, command...
  local what=$1 words=$2 why
  shift 2
  if why=$("$@" 2>&1); then
    report "refused: $what" no "it passed"
  elif [[ $why == *"$words"* ]]; then
    report "refused: $what" yes ""
  else
    report "refused: $what" no "$why"
  fi
}
# A policy takes effect a moment after it is created.
secret probe owner= >"$tmp/probe.yaml"
policy_holds() { ! operator_kubectl create --dry-run=server -f "$tmp/probe.yaml"; }
until_true policy_holds

kubectl create secret generic foreign -n team-b --from-literal=a=b >/dev/null
passes "creating its own" operator_kubectl create -f <(secret own)
passes "renewing its own" operator_kubectl replace -f <(secret own)
kubectl label secret own presigned.dev/managed-by- -n team-b >/dev/null
passes "putting back a label that someone removed" operator_kubectl replace -f <(secret own)
passes "taking over what a deleted PresignedURL of this name left" \
  operator_kubectl replace --dry-run=server -f <(secret own uid=00000000-0000-0000-0000-000000000001)
refused "handing it to another" "hand a Secret to another" operator_kubectl replace -f <(secret own owner=other)
refused "letting go of it" "with a PresignedURL as its controller" operator_kubectl replace -f <(secret own owner=)
refused "dropping the label" "presigned.dev/managed-by" operator_kubectl replace -f <(secret own label=x)
refused "creating one that nobody owns" "with a PresignedURL as its controller" operator_kubectl create -f <(secret new owner=)
refused "creating one that the owner does not control" "as its controller" operator_kubectl create -f <(secret new controller=false)
refused "creating one of another type" "of type Opaque" operator_kubectl create -f <(secret new type=kubernetes.io/basic-auth)
refused "creating a token of a service account" "forbidden" operator_kubectl create -f - <<Y
{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: token, namespace: team-b,
annotations: {kubernetes.io/service-account.name: default}}}
Y
refused "adopting a foreign one" "a PresignedURL controls" operator_kubectl replace -f <(secret foreign)
refused "deleting a foreign one" "a PresignedURL controls" operator_kubectl delete secret foreign -n team-b
refused "reading one by an empty patch" "cannot patch" operator_kubectl patch secret foreign -n team-b --type merge -p '{}'
passes "deleting its own" operator_kubectl delete secret own -n team-b
kubectl create -f <(secret own type=kubernetes.io/basic-auth label=x) >/dev/null
passes "deleting its own after someone changed its type" operator_kubectl delete secret own -n team-b
passes "anyone else's writes, untouched" kubectl delete secret foreign -n team-b

echo "== stores and policies: a hook's objects are taken over by the next upgrade"
helm template psu "$chart" --namespace "$namespace" --values "$tmp/both.yaml" --kube-version "$(
  kubectl version -o json | sed -n '/"serverVersion"/,$ s/.*"gitVersion": "\(.*\)".*/\1/p'
)" --show-only templates/stores.yaml --show-only templates/policies.yaml >"$tmp/hooks.yaml"
# What the hook of a first install creates, without its race: Helm doesn't wait for the CRDs where no pod can become ready.
kubectl create -f "$tmp/hooks.yaml" >/dev/null
uids() { kubectl get clusterobjectstores.presigned.dev,presignedurlpolicies.presigned.dev -o 'jsonpath={.items[*].metadata.uid}'; }
before=$(uids)
release upgrade --values "$tmp/both.yaml"
is "the upgrade makes nothing anew" "$before" "$(uids)"
is "they are part of the release now" 2 "$(helm get manifest psu -n $namespace | grep -cE '^kind: (ClusterObjectStore|PresignedURLPolicy)$')"
release upgrade --reset-values
is "what leaves the values leaves the cluster" "" "$(uids)"

echo "== rights with named namespaces and no access to tenants' Secrets"
release upgrade --set 'operator.namespaces={team-a}' --set operator.secretAccess=none
for verb in create update delete; do
  can yes team-a $verb secrets
  can no team-b $verb secrets
done
for verb in get list watch; do
  can no team-a $verb secrets
  can no team-b $verb secrets
  can no team-b $verb presignedurls.presigned.dev
  can yes team-a $verb presignedurls.presigned.dev
  can yes $namespace $verb secrets
done
can no $namespace create secrets
can yes team-a update presignedurls.presigned.dev:status
can no team-b update presignedurls.presigned.dev:status
can yes team-a create events.events.k8s.io
can no team-b create events.events.k8s.io
can yes team-b update clusterobjectstores.presigned.dev:status

echo "== uninstall"
helm uninstall psu --namespace "$namespace" >/dev/null 2>&1
is "the CRDs and what is in them are still there" report \
  "$(kubectl get presignedurls.presigned.dev -n team-b -o 'jsonpath={.items[*].metadata.name}')"
is "nothing else of the release is" "" \
  "$(kubectl get clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings \
    -l app.kubernetes.io/instance=psu -o name)"

echo "chart on a cluster: $passed passed, $failed failed"
[[ $failed == 0 ]]
