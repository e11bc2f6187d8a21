#!/usr/bin/env bash
# A real Prometheus scrapes a running operator, which it finds as the chart's ServiceMonitor says, and is asked every query
# of the alerts and of the dashboard. No query may fail, each metric in one has to be there, each query of a panel has to show a
# number, and what is wrong in this cluster has to set its alert off. Then each panel is drawn.
#
#   PSU_PICTURES              a folder: the drawing is kept there, of three minutes in which something happens
#   PSU_OPERATOR              the operator's binary; default: built by cargo
#   PSU_TESTKIT, PSU_THROWAWAY_KUBECONFIG, PSU_TOOLS_DIR  as hack/control-plane.sh has them
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=$root/charts/presigned-url-operator
if [[ -z ${PSU_OPERATOR:-} ]]; then
  (cd "$root" && cargo build --quiet --locked --bin presigned-url-operator)
  PSU_OPERATOR=${CARGO_TARGET_DIR:-$root/target}/debug/presigned-url-operator
fi
tmp=$(mktemp -d)
# shellcheck source=hack/control-plane.sh
. "$root/hack/control-plane.sh"
trap end_all EXIT
helm_and_kubectl
(cd "$root/hack/chart" && go build -o "$tmp/chart" .)
start_control_plane

health=$(free_port)
metrics=$(free_port)
web=$(free_port)

echo "== the operator, with something to show and something wrong"
namespace=presigned-system
kubectl create namespace "$namespace" >/dev/null
kubectl create namespace team-a >/dev/null
helm install psu "$chart" --namespace "$namespace" >"$tmp/helm.log" 2>&1
until_true crds_are_served
kubectl create secret generic keys -n "$namespace" --from-literal=accessKeyID=key --from-literal=secretAccessKey=secret >/dev/null
# A store whose clock is a minute ahead, with a session that ends long before what is requested.
mkfifo "$tmp/s3-input" "$tmp/s3-output"
exec {keep_s3}<>"$tmp/s3-input"
(testkit s3 --clock-ahead 60 <&"$keep_s3" >"$tmp/s3-output" 2>"$tmp/s3.log") {keep_up}>&- &
started+=("$!")
IFS= read -r s3 <"$tmp/s3-output"
of_s3() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" <<<"$s3"; }
kubectl create secret generic session -n "$namespace" --from-literal=sessionToken=token \
  --from-literal=accessKeyID="$(of_s3 accessKeyID)" --from-literal=secretAccessKey="$(of_s3 secretAccessKey)" \
  --from-literal=expiration="$(date --utc --date '20 minutes' +%Y-%m-%dT%H:%M:%SZ)" >/dev/null
# Nothing listens on port 1: what is signed needs no answer. The third store has no credentials.
kubectl create -f - >/dev/null <<Y
apiVersion: presigned.dev/v1alpha1
kind: ClusterObjectStore
metadata: {name: default}
spec: {s3: {region: eu-west-1, endpoint: "http://127.0.0.1:1", credentials: {secretRef: {name: keys}}}}
---
apiVersion: presigned.dev/v1alpha1
kind: ClusterObjectStore
metadata: {name: ahead}
spec: {s3: {region: $(of_s3 region), endpoint: "$(of_s3 endpoint)", credentials: {secretRef: {name: session}}}}
---
apiVersion: presigned.dev/v1alpha1
kind: ClusterObjectStore
metadata: {name: keyless}
spec: {s3: {region: eu-west-1, endpoint: "http://127.0.0.1:1", credentials: {secretRef: {name: missing}}}}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: teams}
spec:
  namespaces: {names: [team-a]}
  allow: [{name: read, stores: [default, ahead, keyless], buckets: [data], prefixes: ["*"], methods: [GET], maxDuration: 12h}]
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: nobodys}
spec:
  namespaces: {names: [nobody]}
  allow: []
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: fine, namespace: team-a}
spec: {bucket: data, key: report.csv}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: denied, namespace: team-a}
spec: {bucket: other, key: report.csv}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: without-keys, namespace: team-a}
spec: {bucket: data, key: report.csv, storeRef: {name: keyless}}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: not-there, namespace: team-a}
spec: {bucket: data, key: report.csv, storeRef: {name: ahead}}
Y
POD_NAMESPACE=$namespace "$PSU_OPERATOR" run --health-addr "127.0.0.1:$health" --metrics-addr "127.0.0.1:$metrics" \
  --min-renewed-duration 1m {keep_up}>&- >"$tmp/operator.log" 2>&1 &
operator=$!
started+=("$operator")
until_true kubectl wait -n team-a --for=condition=Verified=false --timeout=1s presignedurls.presigned.dev/not-there
until_true kubectl wait -n team-a --for=condition=Ready --timeout=1s presignedurls.presigned.dev/fine
until_true kubectl wait -n team-a --for=condition=Allowed=false --timeout=1s presignedurls.presigned.dev/denied

echo "== Prometheus, by the ServiceMonitor"
kubectl get services -A -o json >"$tmp/services.json"
helm template psu "$chart" --namespace "$namespace" --set serviceMonitor.enabled=true --set prometheusRule.enabled=true \
  --set grafanaDashboard.enabled=true --kube-version "$(kubectl version -o json | sed -n '/"serverVersion"/,$ s/.*"gitVersion": "\(.*\)".*/\1/p')" \
  >"$tmp/rendered.yaml"
"$tmp/chart" rules "$tmp/rendered.yaml" >"$tmp/rules.yaml"
"$tmp/chart" queries "$tmp/rendered.yaml" >"$tmp/queries"
"$tmp/chart" scrape "$tmp/rendered.yaml" "$tmp/services.json" "$tmp/rules.yaml" "127.0.0.1:$metrics" >"$tmp/prometheus.yml"
prometheus --config.file "$tmp/prometheus.yml" --storage.tsdb.path "$tmp/data" --web.listen-address "127.0.0.1:$web" \
  --log.level warn {keep_up}>&- >"$tmp/prometheus.log" 2>&1 &
started+=("$!")

ask() { # path, curl arguments
  curl --silent --show-error --max-time 10 --get "http://127.0.0.1:$web/api/v1/$1" "${@:2}"
}
has_data() { # query
  ask query --data-urlencode "query=$1" | tee "$tmp/answer" | grep -q '"status":"success".*"result":\[{'
}
has_number() { # query; the quantile of a histogram without a measurement is not one
  ask query --data-urlencode "query=$1" | tee "$tmp/answer" | grep -q '"status":"success".*"value":\[[0-9.]*,"-\{0,1\}[0-9]'
}
succeeds() { # query
  ask query --data-urlencode "query=$1" | tee "$tmp/answer" | grep -q '"status":"success"'
}
until_true has_data 'presigned_resources{namespace="presigned-system",job="psu-presigned-url-operator-metrics"}'
# A rate needs two scrapes.
two_scrapes() { has_data 'count_over_time(presigned_denied_total[1m]) > 2'; }
until_true two_scrapes
first=$(date +%s)
# How long signing takes is measured from 33 objects on, and a quantile needs a measurement between two scrapes.
kubectl create -f - >/dev/null <<Y
apiVersion: presigned.dev/v1alpha1
kind: PresignedURL
metadata: {name: many, namespace: team-a}
spec: {bucket: data, keys: [$(seq -s ', ' -f 'part-%02g' 1 40)]}
Y
measured() { has_number 'histogram_quantile(0.5, sum by (le) (rate(presigned_sign_duration_seconds_bucket[1m])))'; }
until_true measured

passed=0
failed=0
check() { # what, command...
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL  $what"
    sed 's/^/      /' "$tmp/answer"
  fi
}
while IFS=$'\t' read -r owner expression; do
  check "$owner: $expression" succeeds "$expression"
  # What an alert asks for is seldom there; a panel's title does not begin so.
  case $owner in
  PresignedURL*) ;;
  *) check "there is a number to see: $owner: $expression" has_number "$expression" ;;
  esac
done <"$tmp/queries"
for metric in $(cut -f 2 "$tmp/queries" | grep -o 'presigned_[a-z_]*' | sort -u); do
  check "the operator has the metric $metric" has_data "$metric"
done

# An alert is pending as soon as its expression is true.
alerts() { ask alerts | tee "$tmp/answer" | grep -o '"alertname":"[A-Za-z]*"' | cut -d '"' -f 4 | sort -u | tr '\n' ' ' || true; }
expected="PresignedURLClockSkew PresignedURLCredentialsCutLives PresignedURLPolicyInvalid PresignedURLsNotReady PresignedURLsVerifiedFalse "
expected_alerts() { [[ $(alerts) == "$expected" ]]; }
check "alerts are $expected" expected_alerts
ask rules >"$tmp/answer"
check "no rule fails" bash -c '! grep -q "\"health\":\"err\"" "$1" && grep -q "\"health\":\"ok\"" "$1"' _ "$tmp/answer"

echo "== each panel, drawn"
psu() { # name, further fields of the spec
  echo "{apiVersion: presigned.dev/v1alpha1, kind: PresignedURL, metadata: {name: $1, namespace: team-a}, spec: {key: report.csv, $2}}"
}
# The API server takes it, and the operator can't.
unreadable='{"spec": {"allow": [{"name": "read", "stores": ["default"], "prefixes": ["*"], "methods": ["GET"], "maxDuration": "1h",
  "buckets": ["{namespace}-{namespace.labels['"'team'"']}"]}]}}'
# For a picture to look at. In a test that nobody watches, what was there until now does.
lively() {
  local turn what
  for turn in {1..60}; do
    case $turn in
    18) kubectl patch psup nobodys --type merge -p "$unreadable" ;;
    24) kill -STOP "${started[0]}" ;;
    38) kill -CONT "${started[0]}" ;;
    40) kubectl patch psup nobodys --type merge -p '{"spec": {"allow": []}}' ;;
    esac >/dev/null
    case $((turn % 6)) in
    0) what='bucket: other' ;;
    1) what='bucket: data, verify: Require' ;;
    2) what="bucket: data, duration: 1m, key: null, keys: [$(seq -s ', ' -f 'part-%02g' 1 40)]" ;;
    3) what='bucket: data, duration: 1m, storeRef: {name: ahead}' ;;
    *) what='bucket: data, duration: 1m' ;;
    esac
    if ((turn < 45)); then
      kubectl create -f <(psu "turn-$turn" "$what") >/dev/null
    else
      kubectl delete --wait=false -n team-a presignedurls.presigned.dev "turn-$((turn - 44))" >/dev/null
    fi
    sleep 3
  done
}
[[ -z ${PSU_PICTURES:-} ]] || lively
draw() { "$tmp/chart" draw "$chart/files/dashboard.json" "http://127.0.0.1:$web" "$first" "$(date +%s)" "$tmp/dashboard" >"$tmp/answer" 2>&1; }
# What rises in a window has no number before the second sample.
until_true draw
check "each panel can be drawn" draw
drawn() { "$tmp/chart" drawn "$chart/files/dashboard.json" "$tmp"/dashboard{,-dark}.svg >"$tmp/answer" 2>&1; }
check "each panel is in the drawing" drawn
[[ -z ${PSU_PICTURES:-} ]] || cp "$tmp"/dashboard{,-dark}.svg "$PSU_PICTURES"

echo "== the operator is gone"
kill "$operator"
absent() { [[ $(alerts) == *PresignedURLOperatorAbsent* ]]; }
until_true absent

echo "monitoring: $passed passed, $failed failed"
[[ $failed == 0 ]]
