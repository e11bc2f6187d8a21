#!/usr/bin/env bash
# What the Helm chart gives, tried on a real API server: the rights of the operator's account to the letter, what the
# admission policy lets it write, what users may do, and what an install, an upgrade and an uninstall leave.
# It brings a control plane of its own, since it installs and removes CRDs; there is no node, so no pod ever starts.
#
#   PSU_TESTKIT, PSU_THROWAWAY_KUBECONFIG, PSU_TOOLS_DIR  as hack/control-plane.sh has them
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=$root/charts/presigned-url-operator
tmp=$(mktemp -d)
# shellcheck source=hack/control-plane.sh
. "$root/hack/control-plane.sh"
finish() {
  end_control_plane
  rm -rf "$tmp"
}
trap finish EXIT
helm_and_kubectl
start_control_plane

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
        - {name: read, stores: [default], buckets: [data], prefixes: ["*"], methods: [GET], maxDuration: 1h}
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
can yes "$namespace" update leases.coordination.k8s.io/psu-presigned-url-operator
can no "$namespace" update leases.coordination.k8s.io/another
can no "$namespace" delete leases.coordination.k8s.io/psu-presigned-url-operator
can no team-a create leases.coordination.k8s.io
can no team-a get customresourcedefinitions.apiextensions.k8s.io/others.example.com
can no team-a list customresourcedefinitions.apiextensions.k8s.io
for what in pods configmaps leases.coordination.k8s.io clusterroles.rbac.authorization.k8s.io; do can no team-a get $what; done
# Tokens are for stores' webIdentity.audience, and these values name none.
can no $namespace create serviceaccounts/psu-presigned-url-operator:token
for what in tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io; do can no team-a create $what; done

echo "== flow control"
# The API server says in a header which FlowSchema a request is of. It looks at the account that is impersonated.
schema_of() { # kubectl arguments
  kubectl --v=8 "$@" 2>&1 >/dev/null | sed -n 's/.*[Xx]-[Kk]ubernetes-[Pp][Ff]-[Ff]low[Ss]chema-[Uu]id: *"\{0,1\}\([0-9a-f-]*\).*/\1/p' | tail -n 1
}
uid_of() { kubectl get flowschema "$1" -o 'jsonpath={.metadata.uid}'; }
is "the operator is one of all accounts by default" "$(uid_of service-accounts)" "$(schema_of get secrets -n team-a "${as_operator[@]}")"
release upgrade --reuse-values --set flowControl.enabled=true
own=$(uid_of psu-presigned-url-operator)
takes_effect() { [[ $(schema_of get secrets -n team-a "${as_operator[@]}") == "$own" ]]; }
until_true takes_effect
is "a Secret's write is of the operator's own" "$own" \
  "$(schema_of create secret generic flow -n team-a --from-literal=a=b --dry-run=server "${as_operator[@]}")"
is "so is the Lease" "$own" "$(schema_of get lease psu-presigned-url-operator -n "$namespace" "${as_operator[@]}")"
is "so is a watch of the whole cluster" "$own" \
  "$(schema_of get presignedurls.presigned.dev -A --watch-only --request-timeout=1s "${as_operator[@]}")"
is "another account is not" "$(uid_of service-accounts)" \
  "$(schema_of get secrets -n team-a --as system:serviceaccount:team-a:default --as-group system:serviceaccounts --as-group system:authenticated)"
release upgrade --reuse-values --set flowControl.priorityLevel.existing=workload-high
is "the level that is there is used" workload-high \
  "$(kubectl get flowschema psu-presigned-url-operator -o 'jsonpath={.spec.priorityLevelConfiguration.name}')"
is "and none of its own is left" "" "$(kubectl get prioritylevelconfigurations -l app.kubernetes.io/instance=psu -o name)"
is "nothing dangles" "" \
  "$(kubectl get flowschemas -o 'jsonpath={.items[?(@.status.conditions[0].status=="True")].metadata.name}')"

echo "== users"
kubectl create rolebinding viewer --clusterrole view --user viewer -n team-a >/dev/null
kubectl create rolebinding editor --clusterrole edit --user editor -n team-a >/dev/null
until_true kubectl auth can-i create presignedurls.presigned.dev -n team-a --as editor
until_true kubectl auth can-i get presignedurls.presigned.dev -n team-a --as viewer
can no team-a create presignedurls.presigned.dev --as viewer
for verb in get list watch create update patch delete; do can yes team-a $verb presignedurls.presigned.dev --as editor; done
for verb in update patch; do can no team-a $verb presignedurls.presigned.dev:status --as editor; done
can no team-a get presignedurlpolicies.presigned.dev --as editor
kubectl create clusterrolebinding auditor --clusterrole psu-presigned-url-operator-cluster-view --user auditor >/dev/null
until_true kubectl auth can-i list clusterobjectstores.presigned.dev --as auditor
can yes team-a get presignedurlpolicies.presigned.dev --as auditor
for verb in create update patch delete; do can no team-a $verb presignedurlpolicies.presigned.dev --as auditor; done
can no team-a get presignedurls.presigned.dev --as auditor
can no team-a create clusterobjectstores.presigned.dev --as editor
for verb in update patch; do can no team-a $verb namespaces --as editor; done

echo "== the guard of a label, as docs/security.md has it"
awk '/^```yaml$/ {inside = 1; text = ""; next} /^```$/ {if (inside && text ~ /guard-team-label/) printf "%s", text; inside = 0}
  inside {text = text $0 "\n"}' "$root/docs/security.md" | kubectl create -f - >/dev/null
kubectl create clusterrole namespaces --verb get,update,patch --resource namespaces >/dev/null
kubectl create clusterrolebinding namespaces --clusterrole namespaces --user portal --group platform-admins >/dev/null
label() { kubectl label namespace team-b --overwrite "$@"; }
may_label() { label tried=x --as portal; }
until_true may_label
guard_holds() { ! label example.com/team=x --dry-run=server --as portal; }
until_true guard_holds

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
secret() { # name; namespace=, type=, label=, version=, owner=, uid=, controller= replace what is right, the others add
  local name=$1 where=team-b type=Opaque label=presigned-url-operator version=v1alpha1 owner=report owner_uid=$uid controller=true
  local labels="" annotations="" owners="" finalizers="" setting
  shift
  for setting in "$@"; do
    case $setting in
    namespace=*) where=${setting#*=} ;;
    type=*) type=${setting#*=} ;;
    label=*) label=${setting#*=} ;;
    version=*) version=${setting#*=} ;;
    owner=*) owner=${setting#*=} ;;
    uid=*) owner_uid=${setting#*=} ;;
    controller=*) controller=${setting#*=} ;;
    labels=*) labels=${setting#*=} ;;
    annotations=*) annotations=${setting#*=} ;;
    owners=*) owners=${setting#*=} ;;
    finalizers=*) finalizers=${setting#*=} ;;
    esac
  done
  echo "{apiVersion: v1, kind: Secret, type: $type, data: {url: eA==, username: eA==, password: eA==}, metadata: {name: $name, namespace: $where,"
  echo "labels: {presigned.dev/managed-by: $label, $labels}, annotations: {presigned.dev/presigned-url: report, $annotations},"
  echo "finalizers: [$finalizers], ownerReferences: [$owners"
  if [[ -n $owner ]]; then
    echo "{apiVersion: presigned.dev/$version, kind: PresignedURL, name: $owner, uid: $owner_uid, controller: $controller, blockOwnerDeletion: false}"
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
refused "a team label that somebody else sets" "only platform-admins" label example.com/team=theirs --as portal
passes "a team label that an admin sets" label example.com/team=ours --as admin --as-group platform-admins
refused "a team label that somebody else removes" "only platform-admins" label example.com/team- --as portal
passes "another label of the same namespace" label tried=y --as portal

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
# What would keep a Secret after its PresignedURL is gone.
refused "creating one whose owner is of a version that is not served" "as its controller" operator_kubectl create -f <(secret new version=v1)
refused "giving it an owner of a version that is not served" "as its controller" operator_kubectl replace -f <(secret own version=v1)
living="{apiVersion: v1, kind: Secret, name: foreign, uid: $(kubectl get secret foreign -n team-b -o 'jsonpath={.metadata.uid}')},"
refused "creating one with a further owner" "a further owner" operator_kubectl create -f <(secret new owners="$living")
refused "giving it a further owner" "a further owner" operator_kubectl replace -f <(secret own owners="$living")
refused "creating one with a finalizer" "a finalizer" operator_kubectl create -f <(secret new finalizers=example.com/stay)
refused "giving it a finalizer" "a finalizer" operator_kubectl replace -f <(secret own finalizers=example.com/stay)
# What makes other tools act.
for key in argocd.argoproj.io/secret-type app.kubernetes.io/managed-by x.k8s.io/y presigned.dev/x meta.helm.sh/x; do
  refused "creating one with the label $key" "a label of a reserved domain" operator_kubectl create -f <(secret new labels="$key: cluster")
  refused "giving it the label $key" "a label of a reserved domain" operator_kubectl replace -f <(secret own labels="$key: cluster")
done
for key in meta.helm.sh/release-name Argocd.ArgoProj.io/x kubernetes.io/x presigned.dev/renew; do
  refused "giving it the annotation $key" "an annotation of a reserved domain" \
    operator_kubectl replace -f <(secret own annotations="$key: x")
done
passes "labels and annotations of a template" operator_kubectl replace -f <(secret own labels='example.com/a: b, kind: c' annotations='x: z')
# What others added goes with it, and in no other form.
kubectl label secret own app.kubernetes.io/part-of=theirs -n team-b >/dev/null
kubectl annotate secret own meta.helm.sh/release-name=theirs -n team-b >/dev/null
kubectl patch secret own -n team-b --type merge -p '{"metadata": {"finalizers": ["example.com/stay"]}}' >/dev/null
theirs=(labels='app.kubernetes.io/part-of: theirs' annotations='meta.helm.sh/release-name: theirs' finalizers=example.com/stay)
passes "keeping what others added" operator_kubectl replace -f <(secret own "${theirs[@]}")
refused "changing what others added" "a label of a reserved domain" \
  operator_kubectl replace -f <(secret own "${theirs[@]}" labels='app.kubernetes.io/part-of: mine')
kubectl replace -f <(secret own) >/dev/null
# Its own Secret whose owner another tool dropped.
kubectl replace -f <(secret own owner=) >/dev/null
refused "handing a Secret whose owner was dropped to another" "hand a Secret to another" operator_kubectl replace -f <(secret own owner=other)
passes "deleting one whose owner was dropped" operator_kubectl delete --dry-run=server secret own -n team-b
passes "putting back an owner that was dropped" operator_kubectl replace -f <(secret own)
kubectl replace -f <(secret own controller=false) >/dev/null
passes "putting right an owner that controls no more" operator_kubectl replace -f <(secret own)
kubectl replace -f <(secret own owner=) >/dev/null
kubectl annotate secret own presigned.dev/presigned-url- -n team-b >/dev/null
refused "adopting one without owner and annotation" "a PresignedURL controls" operator_kubectl replace -f <(secret own)
refused "deleting one without owner and annotation" "a PresignedURL controls" operator_kubectl delete secret own -n team-b
kubectl replace -f <(secret own owner= label=x) >/dev/null
refused "adopting one without owner and label" "a PresignedURL controls" operator_kubectl replace -f <(secret own)
kubectl replace -f <(secret own) >/dev/null
# The stores' credentials.
refused "creating one beside the stores' credentials" "of its own namespace" operator_kubectl create -f <(secret new namespace=$namespace)
sed "s/team-b/$namespace/" "$tmp/psu.yaml" | kubectl create -f - >/dev/null
own_uid=$(kubectl get presignedurls.presigned.dev report -n $namespace -o 'jsonpath={.metadata.uid}')
kubectl create -f <(secret planted namespace=$namespace uid="$own_uid") >/dev/null
refused "changing one beside the stores' credentials" "of its own namespace" \
  operator_kubectl replace -f <(secret planted namespace=$namespace uid="$own_uid")
refused "deleting one beside the stores' credentials" "of its own namespace" operator_kubectl delete secret planted -n $namespace
kubectl delete secret/planted presignedurls.presigned.dev/report -n $namespace >/dev/null
passes "reading any Secret where it may read" operator_kubectl get secret foreign -n team-b
invented() { ! kubectl get secret invented -n team-b; }
passes "creating one whose owner it invents" operator_kubectl create -f <(secret invented uid=00000000-0000-0000-0000-000000000002)
until_true invented
is "a Secret with an invented owner is collected" "" "$(kubectl get secret invented -n team-b --ignore-not-found -o name)"
refused "reading one by an empty patch" "cannot patch" operator_kubectl patch secret foreign -n team-b --type merge -p '{}'
passes "deleting its own" operator_kubectl delete secret own -n team-b
kubectl create -f <(secret own type=kubernetes.io/basic-auth label=x) >/dev/null
passes "deleting its own after someone changed its type" operator_kubectl delete secret own -n team-b
passes "anyone else's writes, untouched" kubectl delete secret foreign -n team-b

echo "== what else it lets the operator do"
psu() { # name, further fields of the spec
  echo "{apiVersion: presigned.dev/v1alpha1, kind: PresignedURL, metadata: {name: $1, namespace: team-b}, spec: {bucket: data, key: x, ${2:-}}}"
}
kubectl create -f <(psu link 'renew: Never') >/dev/null
kubectl create -f <(psu passing 'renew: Never, ttlAfterExpiry: 1h') >/dev/null
for what in report link; do
  refused "deleting a PresignedURL that asks for no removal ($what)" "renew: Never and ttlAfterExpiry" \
    operator_kubectl delete presignedurls.presigned.dev "$what" -n team-b
done
passes "deleting one that asks for its removal" operator_kubectl delete presignedurls.presigned.dev passing -n team-b
passes "anyone else's deletions, untouched" kubectl delete presignedurls.presigned.dev link -n team-b
event() { # apiVersion and kind of what it is about, who reports
  echo "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: told, namespace: team-b}, eventTime: 2026-01-01T00:00:00.000000Z,"
  echo "type: Normal, reason: Told, action: Tell, note: x, reportingController: $2, reportingInstance: x,"
  echo "regarding: {${1%,*}, ${1#*,}, name: report, namespace: team-b}}"
}
about='apiVersion: presigned.dev/v1alpha1,kind: PresignedURL'
passes "an Event about a PresignedURL" operator_kubectl create -f <(event "$about" presigned-url-operator)
refused "an Event about a Pod" "about objects of presigned.dev" \
  operator_kubectl create -f <(event 'apiVersion: v1,kind: Pod' presigned-url-operator)
refused "an Event in another's name" "in its own name" operator_kubectl create -f <(event "$about" kubelet)

echo "== fields that the API does not have"
misspelt() { psu misspelt 'duraton: 1h'; }
meant='unknown field "spec.duraton": did you mean "duration"?'
refused "a misspelt field, by kubectl" "$meant" kubectl create -f <(misspelt)
refused "a misspelt field, by kubectl that checks nothing" "$meant" kubectl create --validate=false -f <(misspelt)
refused "a misspelt field, by server-side apply" "$meant" kubectl apply --server-side --validate=false -f <(misspelt)
refused "a misspelt field, by Helm" "$meant" helm upgrade psu "$chart" --namespace "$namespace" --set-json "extraObjects=[$(
  kubectl create --dry-run=client --validate=false -o json -f <(misspelt))]"
# A schema that keeps unknown fields still tells of those that it has.
passes "an explanation of a field" kubectl explain presignedurls.spec.put.contentLength
passes "an explanation of a rule's field" kubectl explain presignedurlpolicies.spec.allow.createOnly
passes "what has no misspelt field" kubectl create --dry-run=server -f <(psu spelt 'duration: 1h')

echo "== who serves a resource, as docs/questions.md has it"
awk -v folder="$tmp" '/^## / {here = /^## Nothing happens/} !here {next} /^ *```sh$/ {inside = 1; n++; next} /^ *```$/ {inside = 0}
  inside {sub(/^ +/, ""); print >(folder "/asked." n)}' "$root/docs/questions.md"
kubectl create -n "$namespace" -f - >/dev/null <<Y
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: presigned-url-operator},
spec: {holderIdentity: psu-0, leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.000000Z"}}
Y
release upgrade --set operator.class=blue
kubectl create -f <(psu served 'class: blue') >/dev/null
answer_of() { bash -eu "$tmp/asked.$1" 2>&1; }
answers() { # what, which command, words of its answer
  local answer
  answer=$(answer_of "$2") || true
  if [[ $answer == *"$3"* ]]; then report "$1" yes ""; else report "$1" no "$answer"; fi
}
answers "which class an operator serves" 1 "--class=blue"
answers "the resources of a class" 2 "served"
answers "who leads, and since when it says so" 3 "psu-0    2026-01-01T00:00:00.000000Z"
is "all commands of that section are tried" 3 "$(find "$tmp" -name 'asked.*' | wc -l)"
kubectl delete -n team-b presignedurls.presigned.dev served >/dev/null

echo "== tokens, for stores' webIdentity.audience"
release upgrade --set 'webIdentity.audiences={sts.example.com}' --set 'operator.secretTemplateDeny={velero.io,stakater.com,example.com}'
can yes $namespace create serviceaccounts/psu-presigned-url-operator:token
can no $namespace create serviceaccounts/default:token
can no $namespace create serviceaccounts:token
can no team-a create serviceaccounts/psu-presigned-url-operator:token
# It runs in a pod of its own, and there is another of the same account.
kubectl create -n "$namespace" -f - >/dev/null <<Y
{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {serviceAccountName: psu-presigned-url-operator, containers: [{name: x, image: x,
securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 1, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}}]}}
Y
running_pod() {
  pod=$(kubectl get pods -n "$namespace" -l app.kubernetes.io/name=presigned-url-operator -o 'jsonpath={.items[0].metadata.name}') &&
    pod_uid=$(kubectl get pod "$pod" -n "$namespace" -o 'jsonpath={.metadata.uid}')
}
until_true running_pod
other_uid=$(kubectl get pod other -n "$namespace" -o 'jsonpath={.metadata.uid}')
in_pod=(--as-user-extra "authentication.kubernetes.io/pod-name=$pod" --as-user-extra "authentication.kubernetes.io/pod-uid=$pod_uid")
token() { # flags; the token goes nowhere
  operator_kubectl create token psu-presigned-url-operator -n "$namespace" "$@" >/dev/null
}
bound=(--bound-object-kind Pod --bound-object-name "$pod" --bound-object-uid "$pod_uid")
for_store=(--audience sts.example.com --duration 10m)
token_policy_holds() { ! token "${in_pod[@]}" "${bound[@]}" --audience unheard.of; }
until_true token_policy_holds
takes_the_audience() { token "${in_pod[@]}" "${bound[@]}" "${for_store[@]}"; }
until_true takes_the_audience
refused "a label that the installation reserves" "a label of a reserved domain" \
  operator_kubectl create --dry-run=server -f <(secret new labels='team.example.com/a: b')
passes "the operator's own keys, though the installation reserves their domains" operator_kubectl create --dry-run=server \
  -f <(secret new labels='velero.io/exclude-from-backup: "true"' annotations='reloader.stakater.com/ignore: "true"')
passes "a token for a store's audience, bound to its pod" token "${in_pod[@]}" "${bound[@]}" "${for_store[@]}"
passes "one of an hour" token "${in_pod[@]}" "${bound[@]}" --audience sts.example.com --duration 1h
refused "one of a second more" "for at most an hour" token "${in_pod[@]}" "${bound[@]}" --audience sts.example.com --duration 3601s
refused "one of a year" "for at most an hour" token "${in_pod[@]}" "${bound[@]}" --audience sts.example.com --duration 8760h
refused "one for the API server" "for the audiences" token "${in_pod[@]}" "${bound[@]}" --duration 10m
refused "one for the API server too" "for the audiences" token "${in_pod[@]}" "${bound[@]}" "${for_store[@]}" \
  --audience https://kubernetes.default.svc.cluster.local
refused "one for another audience" "for the audiences" token "${in_pod[@]}" "${bound[@]}" --audience vault
refused "one that is bound to nothing" "bound to its own pod" token "${in_pod[@]}" "${for_store[@]}"
refused "one that is bound to its pod's name alone" "bound to its own pod" \
  token "${in_pod[@]}" "${for_store[@]}" --bound-object-kind Pod --bound-object-name "$pod"
refused "one that is bound to another pod" "bound to its own pod" \
  token "${in_pod[@]}" "${for_store[@]}" --bound-object-kind Pod --bound-object-name other --bound-object-uid "$other_uid"
held=$(kubectl create token psu-presigned-url-operator -n "$namespace" --duration 1h \
  --bound-object-kind Pod --bound-object-name other --bound-object-uid "$other_uid")
passes "a token while its pod is there" kubectl auth whoami --token "$held"
kubectl delete pod other -n "$namespace" --grace-period 0 --force >/dev/null 2>&1
token_has_ended() { ! kubectl auth whoami --token "$held"; }
until_true token_has_ended
refused "a token whose pod is gone" "Unauthorized" kubectl auth whoami --token "$held"
refused "one by who shows a token without a pod" "bound to its own pod" token "${bound[@]}" "${for_store[@]}"
kubectl create rolebinding too-much --clusterrole cluster-admin --serviceaccount "$namespace:psu-presigned-url-operator" -n "$namespace" >/dev/null
may_make_any() { kubectl auth can-i create serviceaccounts/default --subresource=token -n "$namespace" "${as_operator[@]}"; }
until_true may_make_any
refused "one of another account, whatever RBAC says" "of its own service account" \
  operator_kubectl create token default -n "$namespace" "${in_pod[@]}" "${for_store[@]}"
kubectl delete rolebinding too-much -n "$namespace" >/dev/null
passes "anyone else's tokens, untouched" kubectl create token default -n "$namespace" --duration 8760h --audience any
release upgrade --reset-values

echo "== flow control: a storm"
# The level of all accounts gets a few seats, and each request of the storm holds one for half a minute: it
# waits for a webhook that takes connections and never answers. So nothing is computed; what waits, waits for
# a seat.
level=workload-low
kubectl create namespace storm >/dev/null
kubectl create rolebinding flood --clusterrole edit --serviceaccount storm:default -n storm >/dev/null
kubectl create token default -n storm --duration 1h | sed 's/^/Authorization: Bearer /' >"$tmp/flood"
cluster() { kubectl config view --raw --minify --flatten -o "jsonpath={.clusters[0].cluster.$1}"; }
cluster certificate-authority-data | base64 -d >"$tmp/server.crt"
kubectl proxy --port 0 >"$tmp/silent" 2>/dev/null &
storm=("$!")
calm() {
  kill -KILL "${storm[@]}" && wait "${storm[@]}" || true
} 2>/dev/null
trap 'calm; finish' EXIT
listens() { grep -q '^Starting to serve' "$tmp/silent"; }
until_true listens
kill -STOP "${storm[0]}"
kubectl create -f - >/dev/null <<Y
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: storm}
webhooks:
  - name: never.answers.example.com
    clientConfig: {url: "https://$(sed -n 's/^Starting to serve on //p' "$tmp/silent")/"}
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: storm}}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    timeoutSeconds: 30
    sideEffects: None
    admissionReviewVersions: [v1]
Y
# The annotation keeps the API server from putting its own level right again.
seats_of_all() { # shares, the most that is borrowed in percent
  kubectl annotate prioritylevelconfiguration "$level" --overwrite apf.kubernetes.io/autoupdate-spec=false >/dev/null
  kubectl patch prioritylevelconfiguration "$level" --type merge \
    -p "{\"spec\": {\"limited\": {\"nominalConcurrencyShares\": $1, \"borrowingLimitPercent\": $2}}}" >/dev/null
}
of_level() { # metric
  kubectl get --raw /metrics | awk -v metric="apiserver_flowcontrol_$1{" -v level="priority_level=\"$level\"" '
    index($0, metric) == 1 && index($0, level) { sum += $NF } END { print sum + 0 }'
}
seats_of_all 1 0
few_seats() { (($(of_level current_limit_seats) < 10)); }
until_true few_seats
curl --silent --parallel --parallel-immediate --parallel-max 60 --cacert "$tmp/server.crt" --header "@$tmp/flood" \
  --header 'Content-Type: application/json' --output /dev/null \
  --data '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flood"}}' \
  "$(cluster server)/api/v1/namespaces/storm/configmaps?dryRun=All&n=[1-3000]" 2>/dev/null &
storm+=("$!")
storms() { (($(of_level current_inqueue_requests) > 20)); }
until_true storms
uid=$(kubectl get presignedurls.presigned.dev report -n team-b -o 'jsonpath={.metadata.uid}')
secret renewed >"$tmp/renewed.yaml"
kubectl create -f "$tmp/renewed.yaml" >/dev/null
# Of three renewals of ten seconds each at most one meets the moment in which the seats of the storm are given back.
renewals() {
  local passed=0
  for _ in 1 2 3; do
    timeout 10 kubectl "${as_operator[@]}" replace --validate=false -f "$tmp/renewed.yaml" >/dev/null 2>&1 && passed=$((passed + 1))
  done
  ((passed < 2)) && echo stuck || echo "$passed of 3"
}
is "a renewal waits for a seat while another account floods the API server" stuck "$(renewals)"
release upgrade --reuse-values --set flowControl.enabled=true
own_seats() { [[ $(schema_of get secrets -n team-b --request-timeout=2s "${as_operator[@]}") == "$(uid_of psu-presigned-url-operator)" ]]; }
until_true own_seats
until_true storms
is "and does not with a level of the operator's own" "3 of 3" "$(renewals)"
calm
trap finish EXIT
kubectl delete validatingwebhookconfiguration storm >/dev/null
kubectl delete namespace storm --wait=false >/dev/null
kubectl delete secret renewed -n team-b >/dev/null
seats_of_all 100 null
release upgrade --reset-values

echo "== stores and policies: a hook's objects are taken over by the next upgrade"
helm template psu "$chart" --namespace "$namespace" --values "$tmp/both.yaml" --kube-version "$(
  kubectl version -o json | sed -n '/"serverVersion"/,$ s/.*"gitVersion": "\(.*\)".*/\1/p'
)" --show-only templates/stores.yaml --show-only templates/policies.yaml >"$tmp/hooks.yaml"
# What the hook of a first install creates, without its race: Helm doesn't wait for the CRDs where no pod can become ready.
kubectl create -f "$tmp/hooks.yaml" >/dev/null
uids() { kubectl get clusterobjectstores.presigned.dev,presignedurlpolicies.presigned.dev -o 'jsonpath={.items[*].metadata.uid}'; }
before=$(uids)
release upgrade --values "$tmp/both.yaml"
is "the upgrade makes nothing again" "$before" "$(uids)"
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

echo "== /metrics for those whom the API server allows it"
release upgrade --set operator.metricsAuth=token
may_review() { kubectl auth can-i create tokenreviews.authentication.k8s.io "${as_operator[@]}"; }
until_true may_review
can yes team-a create subjectaccessreviews.authorization.k8s.io
kubectl create clusterrolebinding scraper --clusterrole psu-presigned-url-operator-metrics-reader --user scraper >/dev/null
may_scrape() { kubectl auth can-i get /metrics --as scraper; }
until_true may_scrape
kubectl delete clusterrolebinding scraper >/dev/null
release upgrade --set 'operator.namespaces={team-a}' --set operator.secretAccess=none --set operator.metricsAuth=none

echo "== a Secret that the operator may not see"
# An operator that can't read Secrets can't tell whether a Secret is still its own: the fence does.
kubectl create -f <(psu short | sed 's/team-b/team-a/') >/dev/null
uid=$(kubectl get presignedurls.presigned.dev short -n team-a -o 'jsonpath={.metadata.uid}')
mine() { secret mine namespace=team-a owner=short "$@"; }
kubectl create -f <(mine) >/dev/null
passes "renewing its own unseen" operator_kubectl replace -f <(mine)
kubectl replace -f <(mine owner=) >/dev/null
# The policy of before refuses it too, and in other words.
unseen_policy_holds() { { operator_kubectl replace --dry-run=server -f <(mine) 2>&1 || true; } | grep -q "a PresignedURL controls"; }
until_true unseen_policy_holds
refused "overwriting one whose owner is gone" "a PresignedURL controls" operator_kubectl replace -f <(mine)
refused "deleting one whose owner is gone" "a PresignedURL controls" operator_kubectl delete secret mine -n team-a

echo "== the pod of helm test, under the restricted standard"
helm get hooks psu --namespace "$namespace" >"$tmp/hooks-of-test.yaml"
is "there is one" 1 "$(grep -c 'helm.sh/hook: test' "$tmp/hooks-of-test.yaml")"
passes "it is let in" kubectl create --dry-run=server -f "$tmp/hooks-of-test.yaml"

echo "== elsewhere than in the release's namespace"
kubectl create namespace elsewhere >/dev/null
release upgrade --reset-values --set namespaceOverride=elsewhere
is "nothing of the release is left in its own namespace but Helm's record" "" \
  "$(kubectl get deployments,services,serviceaccounts,roles,rolebindings -n "$namespace" -l app.kubernetes.io/instance=psu -o name)"
there=(--as "system:serviceaccount:elsewhere:psu-presigned-url-operator" --as-group system:serviceaccounts --as-group system:authenticated)
can yes elsewhere list secrets "${there[@]}"
can yes team-b update secrets "${there[@]}"
can no team-b update secrets
elsewhere_kubectl() { kubectl "${there[@]}" "$@"; }
elsewhere_policy_holds() { ! elsewhere_kubectl create --dry-run=server -f "$tmp/probe.yaml"; }
until_true elsewhere_policy_holds
uid=$(kubectl get presignedurls.presigned.dev report -n team-b -o 'jsonpath={.metadata.uid}')
passes "its own, from there" elsewhere_kubectl create --dry-run=server -f <(secret fresh)
refused "one that nobody owns, from there" "with a PresignedURL as its controller" elsewhere_kubectl create -f <(secret fresh owner=)
refused "one beside the stores' credentials, which are there now" "of its own namespace" \
  elsewhere_kubectl create -f <(secret fresh namespace=elsewhere)

echo "== uninstall"
helm uninstall psu --namespace "$namespace" >/dev/null 2>&1
is "the CRDs and what is in them are still there" report \
  "$(kubectl get presignedurls.presigned.dev -n team-b -o 'jsonpath={.items[*].metadata.name}')"
is "nothing else of the release is" "" \
  "$(kubectl get clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,flowschemas,prioritylevelconfigurations \
    -l app.kubernetes.io/instance=psu -o name)"

echo "== what Helm did not install, as docs/upgrade.md has it"
other() { helm upgrade --install other "$chart" --namespace "$namespace" "$@"; }
refused "CRDs of another release" "invalid ownership metadata" other
passes "CRDs that are taken over" other --take-ownership
is "they are that release's now" other \
  "$(kubectl get crd presignedurls.presigned.dev -o 'jsonpath={.metadata.annotations.meta\.helm\.sh/release-name}')"
passes "an upgrade with values of before" other --set operator.logLevel=debug
passes "an upgrade that keeps them" other --reset-then-reuse-values
is "the value is kept" 1 "$(kubectl get deployment other-presigned-url-operator -n "$namespace" -o yaml | grep -c -- --log-level=debug)"
passes "a way back" helm rollback other --namespace "$namespace"
is "what is in the CRDs is still there" report \
  "$(kubectl get presignedurls.presigned.dev -n team-b -o 'jsonpath={.items[*].metadata.name}')"

echo "== Helm 3, from nothing"
helm uninstall other --namespace "$namespace" >/dev/null 2>&1
kubectl delete crd/{presignedurls,presignedurlpolicies,clusterobjectstores}.presigned.dev >/dev/null
helm_3() { helm3 "$@" --namespace "$namespace"; }
passes "an install on a cluster without the CRDs" helm_3 install third "$chart"
for crd in presignedurls presignedurlpolicies clusterobjectstores; do
  until_true kubectl wait --for=condition=Established --timeout=1s "crd/$crd.presigned.dev"
done
kubectl create -f "$tmp/psu.yaml" >/dev/null
passes "an upgrade with a store and a policy" helm_3 upgrade third "$chart" --values "$tmp/both.yaml" --set operator.logLevel=debug
is "they are there" "default teams" \
  "$(kubectl get clusterobjectstores.presigned.dev,presignedurlpolicies.presigned.dev -o 'jsonpath={.items[*].metadata.name}')"
passes "an upgrade that keeps the values" helm_3 upgrade third "$chart" --reset-then-reuse-values
is "they are kept" 1 "$(kubectl get deployment third-presigned-url-operator -n "$namespace" -o yaml | grep -c -- --log-level=debug)"
passes "a way back" helm_3 rollback third 1
is "what the first release did not have is gone" "" "$(kubectl get clusterobjectstores.presigned.dev -o name)"
passes "an uninstall" helm_3 uninstall third
is "which keeps the CRDs and what is in them" report \
  "$(kubectl get presignedurls.presigned.dev -n team-b -o 'jsonpath={.items[*].metadata.name}')"
passes "Helm 4 takes over what Helm 3 left" helm install fourth "$chart" --namespace "$namespace" --take-ownership

echo "chart on a cluster: $passed passed, $failed failed"
[[ $failed == 0 ]]
