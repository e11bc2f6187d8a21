# Sourced by the tests of the chart that need an API server. It brings a control plane of its own, since these install and
# remove CRDs; there is no node, so no pod ever starts. Wants $root, and $tmp, a folder that the test removes.
#
#   PSU_TOOLS_DIR             a folder with helm, helm3 and kubectl; default: what hack/tools.sh builds
#   PSU_TESTKIT               the built presigned-testkit; default: built by cargo
#   PSU_THROWAWAY_KUBECONFIG  a control plane to use instead, without CRDs of presigned.dev; it is left changed
# shellcheck shell=bash disable=SC2154

testkit() { # arguments: becomes the testkit, so run it in a shell of its own
  [[ -z ${PSU_TESTKIT:-} ]] || exec "$PSU_TESTKIT" "$@"
  cd "$root"
  exec cargo run --quiet --locked --package presigned-testkit -- "$@"
}

helm_and_kubectl() { # puts them into PATH, away from the user's own repositories and plugins
  local tools=${PSU_TOOLS_DIR:-}
  if [[ ! -x $tools/helm || ! -x $tools/helm3 || ! -x $tools/kubectl ]]; then
    tools=$("$root/hack/tools.sh" helm helm3 kubectl)
  fi
  export PATH=$tools:$PATH
  export HELM_CONFIG_HOME=$tmp/helm HELM_CACHE_HOME=$tmp/helm HELM_DATA_HOME=$tmp/helm
}

supervisor=
start_control_plane() { # exports KUBECONFIG
  local ready
  if [[ -n ${PSU_THROWAWAY_KUBECONFIG:-} ]]; then
    export KUBECONFIG=$PSU_THROWAWAY_KUBECONFIG
    return
  fi
  mkfifo "$tmp/input" "$tmp/output"
  (testkit control-plane <"$tmp/input" >"$tmp/output") &
  supervisor=$!
  # Its standard input is what keeps the control plane up.
  exec {keep_up}>"$tmp/input"
  IFS= read -r ready <"$tmp/output"
  KUBECONFIG=$(sed 's/.*"kubeconfig":"\([^"]*\)".*/\1/' <<<"$ready")
  export KUBECONFIG
}
end_control_plane() {
  if [[ -n $supervisor ]]; then
    exec {keep_up}>&-
    wait "$supervisor" || true
  fi
}

started=() # what the test has started besides
end_all() { # for the trap of EXIT: ends all that was started, and shows the ends of its logs if the test failed
  local status=$?
  if [[ ${#started[@]} -gt 0 ]]; then
    kill "${started[@]}" 2>/dev/null || true
    wait "${started[@]}" || true
  fi
  end_control_plane
  if [[ $status != 0 ]]; then
    tail -n 20 "$tmp"/*.log >&2 || true
  fi
  rm -rf "$tmp"
}

crds_are_served() { kubectl wait --for=condition=Established --timeout=1s crd/{presignedurls,presignedurlpolicies,clusterobjectstores}.presigned.dev; }

until_true() { # command...: awaits a condition, for half a minute at most
  local deadline=$((SECONDS + 30))
  until "$@" >"$tmp/awaited" 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "${0##*/}: waited 30 s in vain for: $*" >&2
      cat "$tmp/awaited" >&2
      exit 1
    fi
    sleep 0.2
  done
}

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}
