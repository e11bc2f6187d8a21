#!/usr/bin/env bash
# Every command of the docs. What other tests run is named here with its test; all else runs here as the page has it, on a real
# API server, with the chart installed as README.md says, an operator, a real S3 server and the plugin. No pod runs, so what asks
# pods does not; docs/testing.md lists it. A block of commands that nothing reads fails the test. Of a command in a sentence the
# flags have to be known.
#
#   PSU_OPERATOR, PSU_TESTKIT   the built programs, kubectl-presigned beside the operator; default: built by cargo
#   PSU_THROWAWAY_KUBECONFIG, PSU_TOOLS_DIR  as hack/control-plane.sh has them
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z ${PSU_OPERATOR:-} ]]; then
  (cd "$root" && cargo build --quiet --locked --workspace --bins)
  PSU_OPERATOR=${CARGO_TARGET_DIR:-$root/target}/debug/presigned-url-operator
fi
PSU_OPERATOR=$(realpath "$PSU_OPERATOR")
[[ -z ${PSU_TESTKIT:-} ]] || PSU_TESTKIT=$(realpath "$PSU_TESTKIT")
tmp=$(mktemp -d)
# shellcheck source=hack/control-plane.sh
. "$root/hack/control-plane.sh"
# shellcheck source=hack/docs/blocks.sh
. "$root/hack/docs/blocks.sh"
trap end_all EXIT
helm_and_kubectl
s3_tools=$("$root/hack/tools.sh" versitygw botocore)
start_control_plane
KUBECONFIG_OF_ADMIN=$KUBECONFIG
mkdir -p "$tmp"/{here,home/.local/bin,home/.config/fish/completions,zsh,mount,read,programs,s3}
: >"$tmp/left"
left_out >"$tmp/left-out"
collect

s3_port=$(free_port)
health_port=$(free_port)
metrics_port=$(free_port)
# The test's own names for those of the pages.
here() {
  sed -e "s|127\.0\.0\.1:8081|127.0.0.1:$health_port|g" -e "s|https://s3.example.com|http://127.0.0.1:$s3_port|g" \
    -e 's|https://\.\.\.|http://...|'
}
cp "$KUBECONFIG_OF_ADMIN" "$tmp/kubeconfig"
export KUBECONFIG=$tmp/kubeconfig HOME=$tmp/home
kubectl config set-context --current --namespace team-a >/dev/null
ln -s "$PSU_OPERATOR" "$tmp/programs/presigned-url-operator"
ln -s "$(dirname "$PSU_OPERATOR")/kubectl-presigned" "$tmp/programs/kubectl-presigned"
export PATH=$tmp/home/.local/bin:$tmp/programs:$PATH
export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret-key AWS_REGION=eu-west-2 AWS_ENDPOINT_URL=http://127.0.0.1:$s3_port

# What a pod with this Secret mounted has.
mount() { # PresignedURL
  mkdir -p "$tmp/mount/$1"
  local file
  kubectl get secret "$1" -o go-template='{{range $name, $_ := .data}}{{$name}}{{"\n"}}{{end}}' | while IFS= read -r file; do
    kubectl get secret "$1" -o go-template="{{index .data \"$file\"}}" | base64 -d >"$tmp/mount/$1/$file"
  done
}
mounted() { echo "s|/presigned/|$tmp/mount/$1/|g"; }
ready() { until_true kubectl wait --for=condition=Ready --timeout=1s "psu/$1"; }
yaml_of() { # page, words: the block of YAML that has them
  awk -v words="$2" '/^```yaml$/ { inside = 1; text = ""; next }
    inside && /^```$/ { if (index(text, words)) { printf "%s", text; exit } inside = 0 } inside { text = text $0 "\n" }' "$root/$1" | here
}
psu() { # name, spec
  echo "{apiVersion: presigned.dev/v1alpha1, kind: PresignedURL, metadata: {name: $1, namespace: team-a}, spec: {$2}}"
}

echo "== README.md: the chart, a store, a policy and a request"
ROOT_OBJECTS=$tmp/s3
mkdir -p "$ROOT_OBJECTS"/{models/team-a,models/llama,incoming,inbox,backup}
for object in models/team-a/model.bin models/team-a/report.pdf models/llama/weights.bin models/llama/a.safetensors models/a.bin \
  models/b.bin models/old.bin inbox/report.csv; do echo "$object" >"$ROOT_OBJECTS/$object"; done
"$s3_tools/versitygw" --access key --secret secret-key --port "127.0.0.1:$s3_port" --region eu-west-2 posix "$ROOT_OBJECTS" \
  {keep_up}>&- >"$tmp/s3.log" 2>&1 &
started+=("$!")
# Nothing waits for pods, which never start.
yaml_of charts/presigned-url-operator/README.md 'policies:' >"$tmp/values.yaml"
folder=$root run charts/presigned-url-operator/README.md 'helm install' \
  "s/presigned-system/presigned-chart/g; s/\\.\\.\\./x/g; s|--values values.yaml --wait|--values $tmp/values.yaml --dry-run=server|"
folder=$root run README.md 'helm install' 's/accessKeyID=\.\.\./accessKeyID=key/; s/secretAccessKey=\.\.\./secretAccessKey=secret-key/'
until_true crds_are_served
kubectl create namespace team-a >/dev/null
applied() { { yaml_of README.md 'kind: ClusterObjectStore'; echo ---; yaml_of README.md 'name: model'; } | kubectl apply -f -; }
until_true applied
POD_NAMESPACE=presigned-system POD_NAME=psu-0 presigned-url-operator run --resign-within 5s --kubeconfig "$KUBECONFIG_OF_ADMIN" --leader-elect --health-addr "127.0.0.1:$health_port" \
  --metrics-addr "127.0.0.1:$metrics_port" {keep_up}>&- >"$tmp/operator.log" 2>&1 &
operator=$!
started+=("$operator")
ready model
verified() { kubectl wait --for=condition=Verified --timeout=1s psu/model; }
until_true verified
run README.md 'kubectl -n team-a get psu'
elsewhere README.md 'make demo' crates/bench/tests/targets.rs 'each_target_that_make_lists_is_named_in_the_docs'

echo "== what the pages speak of"
kubectl create -f - >/dev/null <<Y
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: uploads}
spec:
  namespaces: {names: ["team-*"]}
  allow:
    - {name: send, stores: [default], buckets: [incoming], prefixes: ["{namespace}/"], methods: [PUT, POST], maxDuration: 12h,
       maxUploadBytes: 104857600}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: of-aws}
spec:
  namespaces: {names: [team-b]}
  allow:
    - {name: read, stores: [aws], buckets: [models], prefixes: ["{namespace}/"], methods: [GET], maxDuration: 12h}
---
apiVersion: presigned.dev/v1alpha1
kind: ClusterObjectStore
metadata: {name: aws}
spec: {s3: {region: eu-west-2, credentials: {default: {}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: taken, namespace: team-a}
---
apiVersion: v1
kind: Secret
metadata: {name: foreign, namespace: team-a}
---
$(psu other 'bucket: models, key: team-b/model.bin')
---
$(psu missing 'bucket: models, key: team-a/missing.bin')
---
$(psu taken 'bucket: models, key: team-a/model.bin')
---
$(psu report 'bucket: models, key: team-a/report.pdf, renew: Never, duration: 12h')
---
$(psu put 'bucket: incoming, key: team-a/put, method: PUT, put: {contentLength: 24}')
---
$(psu form 'bucket: incoming, key: team-a/form, method: POST, post: {contentLengthRange: {min: 0, max: 1048576}}')
---
$(psu form-below 'bucket: incoming, prefix: team-a/below/, method: POST, post: {contentLengthRange: {min: 0, max: 1048576}}')
---
$(psu typed 'bucket: incoming, key: team-a/typed, method: POST, post: {contentLengthRange: {min: 0, max: 1048576}, contentTypePrefix: image/}')
Y
for name in report put form form-below typed; do ready $name; done
for name in model put form form-below typed; do mount $name; done
judged() { kubectl wait --for=condition="$2" --timeout=1s "psu/$1"; }
until_true judged missing Verified=false
until_true judged taken Ready=false
until_true judged other Ready=false
cd "$tmp/here"
for file in FILE report.csv report.pdf photo.png; do echo "$file" >"$file"; done

echo "== docs/concepts.md"
psu misspelt 'bucket: models, key: team-a/x, duraton: 1h' >misspelt.yaml
status_wanted=1 run docs/concepts.md misspelt.yaml
run docs/concepts.md '# upload' "/download/ $(mounted model); $(mounted put)"
cmp "$ROOT_OBJECTS/models/team-a/model.bin" FILE && cmp FILE "$ROOT_OBJECTS/incoming/team-a/put" && good || bad "curl.conf copied something else"
run docs/concepts.md '-F file=@FILE' "$(mounted form)"
run docs/concepts.md 'psu missing'
run docs/concepts.md 'psu model \'
run docs/concepts.md 'psu taken'
printed_otherwise=yes run docs/concepts.md 'get cos default'
said 'CredentialsRolledOut=True'
run docs/concepts.md 'presigned.dev/renew'
until_true kubectl wait --for=jsonpath='{.status.revision}'=2 --timeout=1s psu/model

echo "== docs/credentials.md, docs/links.md"
SECRET=secret-key run docs/credentials.md 'create secret generic minio' 's/=presigner/=key/'
yaml_of README.md 'kind: ClusterObjectStore' | awk '/^---$/ { exit } { print }' >stores.yaml
yaml_of README.md 'kind: ClusterObjectStore' | awk 'found; /^---$/ { found = 1 }' >policies.yaml
run docs/credentials.md 'iam-policy --store aws' 's/-n team-a/& --store default/; s/--trust irsa/& --store aws/'
elsewhere docs/links.md 'kind: DataVolume' tests/it/consumers/kubevirt.rs 'script(PAGE, "kind: DataVolume")'

echo "== the plugin"
folder=$root run docs/plugin.md 'install target' "s|^cargo .*||; s|target/release|$tmp/programs|"
run docs/plugin.md 'presigned status'
run docs/plugin.md 'create photos'
until_true judged photos Ready
run docs/plugin.md 'get photos'
run docs/plugin.md 'create --bucket models'
run docs/plugin.md 'renew model'
mkdir -p requests
psu r 'bucket: models, key: team-a/x, duraton: 1h' >requests/r.yaml
run docs/plugin.md 'check --bucket'
run docs/plugin.md 'check -f policies.yaml' 's/^echo \$\?$/echo $code/; s/^.*check -f.*$/code=0; & || code=$?/'
run docs/plugin.md 'explain model'
url_of_model() { kubectl get secret model -o go-template='{{.data.url}}' | base64 -d; }
pbpaste() { url_of_model; }
export -f pbpaste url_of_model
printed_otherwise=yes run docs/plugin.md 'whois'
said certain
run docs/plugin.md 'completion fish' "s|^cp |&|; 1i fpath=(- $tmp/zsh)"
elsewhere docs/plugin.md 'completion kubectl' tests/it/plugin/kubectl.rs 'script(page, "completion kubectl")'

run docs/plugin-sign.md '--content-type text/csv'
run docs/plugin-sign.md '-o weights.bin'
run docs/plugin-sign.md 'upload.html'
mkdir -p host-1/logs
echo log >host-1/logs/a.log
run docs/plugin-sign.md 'find host-1'
elsewhere docs/plugin-sign.md 'aws s3 presign' tests/it/consumers/cron.rs 'script(PAGE, "aws s3 presign")'

echo "== docs/policy.md, docs/questions.md, docs/security.md, docs/transfer.md, docs/uploads.md"
rm FILE
run docs/questions.md '-C - -o FILE' "$(mounted model)"
run docs/questions.md 'presigned-policies-view'
until_true kubectl auth can-i list psup --as someone --as-group developers
for words in 'get deploy' 'field-selector' 'get lease'; do
  elsewhere docs/questions.md "$words" hack/chart-cluster-test.sh 'as docs/questions.md has it'
done
kubectl -n team-a create -f - >/dev/null <<Y
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: two-templates}
spec:
  namespaces: {names: [nobody]}
  allow:
    - {name: read-own, stores: [default], buckets: ["{namespace}-{namespace.labels['team']}"], prefixes: ["*"], methods: [GET], maxDuration: 1h}
Y
until_true kubectl wait --for=condition=Ready=false --timeout=1s psup/two-templates
run docs/policy.md 'psup two-templates'
as_operator='--as system:serviceaccount:presigned-system:presigned-url-operator'
status_wanted=1 run docs/security.md 'delete secret foreign' "s/kubectl/kubectl $as_operator/"
mount put
status_wanted=22 run docs/security.md 'x-amz-copy-source' "s|curl.conf|$tmp/mount/put/curl.conf|; s|/BUCKET/ANOTHER-KEY|/models/a.bin|"
said 403
run docs/transfer.md 'push FILE... SOURCE' 's/FILE\.\.\. SOURCE/--help/'
said 'push [OPTIONS] <FILE>... <SOURCE>'
run docs/uploads.md '/presigned/curl.conf -F file=@report.csv' "$(mounted form)"
run docs/uploads.md 'filename}/report.csv' "$(mounted form-below)"
run docs/uploads.md 'image/png' "$(mounted typed)"
folder=$root run docs/uploads.md 'apply -k examples/browser'
run docs/uploads.md 'cors show'

echo "== docs/runbook.md and docs/operations.md"
# Nothing is forbidden here.
run_rest docs/runbook.md 's/TEAM/team-a/; s/NAME$/model/; s/(grep Forbidden)$/\1 || true/'
run docs/operations.md 'get lease'
run docs/operations.md 'rollout restart'
printed_otherwise=yes run docs/operations.md 'readyz'
run docs/operations.md 'describe psu model'
printed_otherwise=yes run docs/operations.md 'describe cos default'
said 'On Current Credentials:'
printed_otherwise=yes run docs/operations.md 'get cos default -o wide'
said CredentialsReady
kubectl patch cos default --type merge -p '{"spec": {"s3": {"credentials": {"secretRef": {"name": "minio"}}}}}' >/dev/null
run docs/operations.md 'version=$(kubectl'
release() { helm upgrade presigned-url-operator "$root/charts/presigned-url-operator" -n presigned-system --reuse-values "$@" >/dev/null 2>&1; }
release --set operator.metricsAuth=token --set flowControl.enabled=true
run docs/operations.md 'prometheus-reads-presigned'
until_true kubectl auth can-i get /metrics --as system:serviceaccount:monitoring:prometheus-k8s
assigned() { bash -c "$(typed "$(block_of docs/operations.md 'get flowschema')")" 2>&1 | sed 's/.*Uid: *//I' | tr -d '" ' | sort | uniq -d | grep .; }
until_true assigned
run docs/operations.md 'get flowschema'
folder=$root run docs/operations.md 'helm install presigned-blue'
folder=$root run docs/operations.md 'helm install presigned-a'
elsewhere docs/operations.md 'kubectl patch cos default' tests/it/shards.rs 'split_once("kubectl patch cos default ")'

echo "== docs/upgrade.md"
# No pod becomes ready, so nobody waits for one.
of_upgrade() { folder=$root run docs/upgrade.md "$1" 's/ --wait$//'; }
for words in 'get cos -o custom-columns' '--reset-then-reuse-values' 'rollout status' 'helm rollback' \
  'presigned-url-operator crds'; do of_upgrade "$words"; done

echo "== commands among the sentences"
for page in README.md charts/presigned-url-operator/README.md $(cd "$root" && echo docs/*.md); do sentences "$page"; done

echo "== what takes something away"
printed_otherwise=yes run docs/plugin.md 'revoke model'
said '1. Deny the objects:'
kubectl delete psup teams-read-their-own >/dev/null
yaml_of docs/policy.md 'name: read-own-prefix' | kubectl apply -f - >/dev/null
psu not-mine 'bucket: models, key: team-b/model.bin, duration: 24h' | kubectl apply -f - >/dev/null
kubectl delete psup uploads of-aws two-templates >/dev/null
until_true judged not-mine Ready=false
run docs/policy.md 'psu not-mine'
run docs/operations.md 'delete psu --all'
is_empty() { [[ -z $(kubectl get psu -n team-a -o name) ]]; }
until_true is_empty
run docs/operations.md 'delete secret -l'
folder=$root run docs/operations.md 'helm uninstall'
run docs/operations.md 'delete crd'
# CRDs that Helm did not install: it refuses them, and takes them over in both ways of the page.
by_hand() {
  presigned-url-operator crds | kubectl delete --ignore-not-found -f - >/dev/null
  presigned-url-operator crds | kubectl apply --server-side -f - >/dev/null
}
install() { "$1" upgrade --install presigned-url-operator "$root/charts/presigned-url-operator" --namespace presigned-system; }
refuses() { if install "$1" >"$tmp/said" 2>&1; then bad "$1 takes what it did not install"; else said 'invalid ownership metadata'; fi; }
by_hand
refuses helm
of_upgrade '--take-ownership'
helm uninstall presigned-url-operator -n presigned-system >/dev/null 2>&1
by_hand
refuses helm3
of_upgrade 'kubectl label'
if install helm3 >"$tmp/said" 2>&1; then good; else bad "Helm 3 does not take what is marked as its own" "$(<"$tmp/said")"; fi

echo "== the pages that have a test of their own, and what nothing runs"
elsewhere_all docs/tutorial.md hack/tutorial-test.sh '"$root/docs/tutorial.md"'
nothing_is_unread
echo "docs: $passed passed, $failed failed"
[[ $failed == 0 ]]
