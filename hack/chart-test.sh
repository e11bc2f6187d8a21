#!/usr/bin/env bash
# Every check of the Helm chart that needs no cluster: lint, unit tests, the README's table, and each way to render it
# against strict schemas of this Kubernetes version and of the CRDs. Needs Go, promtool and nothing from the network but Go modules.
#
#   PSU_TOOLS_DIR   a folder with helm, helm3, helm-unittest and kubeconform; default: what hack/tools.sh builds
#   PSU_OPERATOR    the operator's binary; when set, it has to know every flag that the chart gives it
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=$root/charts/presigned-url-operator
tools=${PSU_TOOLS_DIR:-}
if [[ ! -x $tools/helm || ! -x $tools/helm3 || ! -x $tools/helm-unittest || ! -x $tools/kubeconform ]]; then
  tools=$("$root/hack/tools.sh" helm helm3 helm-unittest kubeconform)
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The user's own repositories, plugins and cluster have no part in this.
export HELM_CONFIG_HOME=$tmp/helm HELM_CACHE_HOME=$tmp/helm HELM_DATA_HOME=$tmp/helm KUBECONFIG=/dev/null

passed=0
failed=()
check() { # what it shows, command...
  local what=$1
  shift
  if "$@" >"$tmp/out" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $what"
  else
    failed+=("$what")
    echo "FAIL  $what"
    sed 's/^/      /' "$tmp/out"
  fi
}

# The version of Kubernetes is the control plane's of all other tests.
kubernetes=$(sed -n 's|^\(require \)\{0,1\}[[:space:]]*k8s.io/kubernetes \(v[^ ]*\).*|\2|p' "$root/hack/kube/go.mod" | head -n 1)
kube_source=$(cd "$tmp" && go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p')
(cd "$root/hack/chart" && go build -o "$tmp/chart" .)
"$tmp/chart" schemas "$tmp/schemas" "$kube_source/api/openapi-spec/swagger.json" "$chart/files/crds"

render() { # helm arguments
  "$tools/${helm:-helm}" template psu "$chart" --namespace presigned-system --kube-version "$kubernetes" "$@"
}

kubeconform=("$tools/kubeconform" -strict -schema-location "$tmp/schemas/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json")
# The Prometheus operator's kinds have no schema here: they are read into its own Go types instead.
monitoring=ServiceMonitor,PodMonitor,PrometheusRule
conforms() { # helm arguments
  render "$@" >"$tmp/rendered.yaml" &&
    "${kubeconform[@]}" -summary -skip "$monitoring" "$tmp/rendered.yaml" &&
    "$tmp/chart" monitoring "$tmp/rendered.yaml"
}

# The schemas themselves: a field that is not there has to be refused, else all the checks below say nothing.
schemas_are_strict() {
  render >"$tmp/rendered.yaml"
  sed 's/^  replicas: 2$/  replicaz: 2/' "$tmp/rendered.yaml" >"$tmp/misspelt.yaml"
  ! cmp -s "$tmp/rendered.yaml" "$tmp/misspelt.yaml" &&
    ! "${kubeconform[@]}" "$tmp/misspelt.yaml"
}

monitoring_types_are_strict() {
  render --values "$chart/ci/everything-values.yaml" >"$tmp/rendered.yaml"
  sed 's/^      honorLabels: true$/      honourLabels: true/' "$tmp/rendered.yaml" >"$tmp/misspelt.yaml"
  ! cmp -s "$tmp/rendered.yaml" "$tmp/misspelt.yaml" && ! "$tmp/chart" monitoring "$tmp/misspelt.yaml"
}

# Helm's mark of ownership names the release's namespace; nothing else may.
everything_follows_the_namespace() {
  render --values "$chart/ci/everything-values.yaml" --set namespaceOverride=elsewhere >"$tmp/rendered.yaml"
  [[ $(grep -c elsewhere "$tmp/rendered.yaml") -gt 15 ]] &&
    ! grep -n presigned-system "$tmp/rendered.yaml" | grep -v 'meta.helm.sh/release-namespace: presigned-system$'
}

helm_3_renders_the_same() {
  local values
  for values in "$chart"/values.yaml "$chart"/ci/*.yaml; do
    render --values "$values" >"$tmp/rendered.yaml" && helm=helm3 render --values "$values" >"$tmp/rendered-3.yaml" &&
      diff --ignore-blank-lines "$tmp/rendered.yaml" "$tmp/rendered-3.yaml" || return 1
  done
}
readme_names_these_helms() {
  local four three
  four=$("$tools/helm" version --template '{{.Version}}') three=$("$tools/helm3" version --template '{{.Version}}')
  [[ $four =~ ^v(4\.[0-9]+) ]] && four=${BASH_REMATCH[1]} && [[ $three =~ ^v(3\.[0-9]+) ]] && three=${BASH_REMATCH[1]} &&
    tr '\n' ' ' <"$chart/README.md" | grep -F "(tested with $four and $three)"
}

package_holds_crds_and_no_tests() {
  "$tools/helm" package "$chart" --destination "$tmp" >/dev/null
  tar -tzf "$tmp"/presigned-url-operator-*.tgz >"$tmp/packaged"
  [[ $(grep -c '/files/crds/presigned.dev_.*\.yaml$' "$tmp/packaged") == 3 ]] && ! grep '/tests/' "$tmp/packaged"
}

operator_knows_its_flags() {
  local flag missing=0
  "$PSU_OPERATOR" run --help >"$tmp/help"
  # Values that bring out every flag.
  render --values "$chart/ci/everything-values.yaml" --set 'operator.namespaces={a}' --show-only templates/deployment.yaml |
    sed -n 's/^ *- "\{0,1\}\(--[a-z-]*\)=.*/\1/p' >"$tmp/flags"
  [[ -s $tmp/flags ]] || return 1
  while IFS= read -r flag; do
    grep -qE -- "(^|[[:space:]])$flag([[:space:]=,]|$)" "$tmp/help" || {
      echo "unknown to the operator: $flag"
      missing=1
    }
  done <"$tmp/flags"
  return "$missing"
}

hub_knows_the_crds() {
  "$tmp/chart" examples "$chart" >"$tmp/examples.yaml" &&
    "${kubeconform[@]}" -summary "$tmp/examples.yaml"
}

monitored() { render --set prometheusRule.enabled=true --set grafanaDashboard.enabled=true >"$tmp/monitored.yaml"; }
alerts_are_in_the_docs() {
  monitored && "$tmp/chart" alerts "$tmp/monitored.yaml" "$root/docs/runbook.md" "$root/docs/operations.md" "$root/docs/reference/reasons.md"
}
panels_are_in_the_docs() {
  local pictures=("$root"/docs/images/dashboard{,-dark}.svg) picture
  for picture in "${pictures[@]}"; do
    grep -qF "images/${picture##*/}" "$root/docs/operations.md" || return 1
  done
  "$tmp/chart" drawn "$chart/files/dashboard.json" "${pictures[@]}"
}
# Evaluated by the program that Prometheus has for it: over hours, and over days.
alerts_do_as_they_say() {
  local tests
  mkdir -p "$tmp/alerts" && monitored && "$tmp/chart" rules "$tmp/monitored.yaml" >"$tmp/alerts/rules.yaml" &&
    cp "$chart"/tests/alerts/*.yaml "$tmp/alerts" && promtool check rules "$tmp/alerts/rules.yaml" || return 1
  for tests in "$chart"/tests/alerts/*.yaml; do
    promtool test rules "$tmp/alerts/$(basename "$tests")" || return 1
  done
}

# The limit less a fifth, the program and what is under way, and 3 KiB for each ordinary resource, in shares.
memory_table_is_computed() {
  local need share limit
  need=$(sed -n 's/^So a container needs about \([0-9]*\) MiB for the program.*/\1/p' "$root/docs/operations.md")
  share=$(sed -n 's/^  namespaceShare: \([0-9]*\)Mi$/\1/p' "$chart/values.yaml")
  limit=$(sed -n '/^resources:$/,/^[a-z]*:$/ s/^    memory: \([0-9]*\)Mi$/\1/p' "$chart/values.yaml" | tail -n 1)
  grep -q "\"${need}Mi\"" "$chart/templates/deployment.yaml" || return 1
  awk -F ' *[|] *' -v need="$need" -v share="$share" -v limit="$limit" '
    $2 ~ /^[0-9]+Mi/ && NF == 5 {
      memory = $2 + 0; resources = $3; gsub(",", "", resources)
      fits = int((memory * 0.8 - need - resources * 3 / 1024) / share)
      if (fits != $4) { print $2 ": " $4 " namespaces, and " fits " fit"; wrong = 1 }
      if ($2 ~ /default/) defaults = memory
      rows++
    }
    END {
      if (defaults != limit) { print "the default is " limit "Mi, and the table says " defaults "Mi"; wrong = 1 }
      exit wrong || rows < 3
    }' "$root/docs/operations.md"
}

version=$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")
# On a copy whose next version is released: its notes are those of the present sources.
released=$tmp/released
as_if_released() {
  mkdir -p "$released/hack" "$released/charts" "$released/out"
  cp "$root"/hack/{release.sh,artifacthub-repo.yml} "$released/hack" && cp -r "$chart" "$released/charts" &&
    sed "s/^## Unreleased$/## $version (today)/" "$root/CHANGELOG.md" >"$released/CHANGELOG.md" &&
    PATH=$tools:$PATH "$released/hack/release.sh" chart "$released/out" registry.example/urls &&
    tar -xzf "$released"/out/presigned-url-operator-*.tgz -C "$released/out"
}
released_chart_runs_the_published_image() {
  as_if_released &&
    "$tools/helm" template psu "$released/out/presigned-url-operator" --kube-version "$kubernetes" >"$tmp/released.yaml" &&
    grep -q "image: \"registry.example/urls:$version\"" "$tmp/released.yaml"
}
hub_knows_images_and_changes() {
  "$tmp/chart" released "$released/out/presigned-url-operator"
}
hub_knows_the_repository() {
  local id=00000000-1111-2222-3333-444444444444
  "$released/hack/release.sh" hub "$released/out" "$id" && [[ $(cat "$released/out/artifacthub-repo.yml") == "repositoryID: $id" ]] &&
    ! "$released/hack/release.sh" hub "$released/out" none
}

# On a copy: what the present sources say is between two releases.
release_is_checked() {
  local copy=$tmp/release
  mkdir -p "$copy/hack" "$copy/charts/presigned-url-operator"
  cp "$root/hack/release.sh" "$copy/hack" && cp "$root/Cargo.toml" "$copy" && cp "$chart/Chart.yaml" "$copy/charts/presigned-url-operator"
  printf '# Changes\n\n## Unreleased\n\n- later\n\n## %s (today)\n\n- now\n\n## 0.0.1\n\n- before\n' "$version" >"$copy/CHANGELOG.md"
  "$copy/hack/release.sh" check "v$version" && [[ $("$copy/hack/release.sh" notes "v$version" | tr -d '\n') == "- now" ]] || return 1
  ! "$copy/hack/release.sh" check v9.9.9 && ! "$copy/hack/release.sh" check "$version" || return 1
  sed -i "s/^appVersion: .*/appVersion: 9.9.9/" "$copy/charts/presigned-url-operator/Chart.yaml"
  ! "$copy/hack/release.sh" check "v$version" || return 1
  cp "$chart/Chart.yaml" "$copy/charts/presigned-url-operator"
  printf '# Changes\n\n## Unreleased\n\n- later\n' >"$copy/CHANGELOG.md"
  ! "$copy/hack/release.sh" check "v$version"
}

check "helm lint" "$tools/helm" lint --strict --kube-version "$kubernetes" "$chart"
check "helm lint, by Helm 3" "$tools/helm3" lint --strict --kube-version "$kubernetes" "$chart"
check "Helm 3 renders what Helm 4 does, but for empty lines" helm_3_renders_the_same
check "README names the versions of Helm that are tried" readme_names_these_helms
check "unit tests" "$tools/helm-unittest" --strict "$chart"
check "README names every value" "$tmp/chart" readme --check "$chart"
check "a misspelt field is refused by the schemas" schemas_are_strict
check "a misspelt field is refused by the Prometheus operator's types" monitoring_types_are_strict
check "everything goes where namespaceOverride says" everything_follows_the_namespace
check "the package holds the CRDs and no tests" package_holds_crds_and_no_tests
check "Artifact Hub is told of the CRDs as they are" hub_knows_the_crds
check "the chart of a release runs the published image" released_chart_runs_the_published_image
check "Artifact Hub is told of the images and the changes of a release" hub_knows_images_and_changes
check "Artifact Hub is told of the repository" hub_knows_the_repository
check "a release is refused if its tag, its versions and its notes differ" release_is_checked
check "each alert has its section in the runbook; its metrics and reasons are documented" alerts_are_in_the_docs
check "the docs have a drawing of each panel of the dashboard" panels_are_in_the_docs
check "each alert fires when it should and keeps still when it should not" alerts_do_as_they_say
check "the table of memory is what its bounds come to" memory_table_is_computed
check "default values conform" conforms
for values in "$chart"/ci/*.yaml; do
  check "$(basename "$values") conforms" conforms --values "$values"
  check "$(basename "$values") conforms where the CRDs are there already" conforms --values "$values" \
    --api-versions presigned.dev/v1alpha1/ClusterObjectStore --api-versions presigned.dev/v1alpha1/PresignedURLPolicy
done
if [[ -n ${PSU_OPERATOR:-} ]]; then
  check "the operator knows every flag that it is given" operator_knows_its_flags
fi

echo "chart: $passed passed, ${#failed[@]} failed"
[[ ${#failed[@]} == 0 ]]
