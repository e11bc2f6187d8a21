# Sourced by hack/e2e/promises.sh: how a promise is tried, how things are awaited, and where the manifests come from.
# Wants $root, and $tmp, a folder of its own.
# shellcheck shell=bash disable=SC2154

kept=0
broken=0
promise() { # what, function
  local from=$SECONDS status
  # Not as a condition: -e would be off in the function.
  set +e
  (
    set -e
    "$2"
  ) >"$tmp/tried" 2>&1
  status=$?
  set -e
  if [[ $status == 0 ]]; then
    kept=$((kept + 1))
    echo "kept    $1 ($((SECONDS - from)) s)"
  else
    broken=$((broken + 1))
    echo "BROKEN  $1 ($((SECONDS - from)) s)"
    tail -n 25 "$tmp/tried" | sed 's/^/        /'
  fi
}

# No request hangs, whatever the cluster does.
kubectl() { timeout 240 kubectl --request-timeout=4m "$@"; }
tenants() { kubectl --namespace team-a "$@"; }

until_true() { # seconds, command...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >"$tmp/awaited.$BASHPID" 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "waited in vain for: $*"
      cat "$tmp/awaited.$BASHPID"
      return 1
    fi
    sleep 0.5
  done
}
same() { # what, expected, actual
  [[ $2 == "$3" ]] || {
    echo "$1: expected '$2', found '$3'"
    return 1
  }
}
has_run() { # job
  tenants wait --for=condition=Complete --timeout=200s "job/$1"
}
in_bucket() { # command..., run where the buckets are folders
  kubectl --namespace s3 exec s3 -- sh -c "cd /s3/buckets && $*"
}

# The images of the documents can't be fetched everywhere; one image has their programs.
local_images() { sed -E 's#image: (curlimages/curl|busybox):[^ ]*#image: registry.example.com/tools:1#'; }
from_readme() { # kind: the README's block that begins with one
  awk -v kind="kind: $1" '
    $0 == "```yaml" { inside = 1; block = ""; next }
    $0 == "```" && inside { inside = 0; if (split(block, lines, "\n") && lines[2] == kind) { printf "%s", block; exit } }
    inside { block = block $0 "\n" }' "$root/README.md" | local_images
}
# The tutorial's manifests, in a namespace of their own and for the S3 server of the e2e. Wants $endpoint.
from_tutorial() { # which of them
  awk -v wanted="$1" '
    $0 == "kubectl apply -f - <<EOF" { number++; inside = 1; next }
    $0 == "EOF" { inside = 0 }
    inside && number == wanted' "$root/docs/tutorial.md" | sed "s|http://127.0.0.1:7070|$endpoint|; s/team-a/team-t/g" | grep .
}
from_tutorial_patch() { # prints the command that adds a rule
  sed -n "/^kubectl patch psup/,/]'\$/p" "$root/docs/tutorial.md" | grep .
}
example() { local_images <"$root/examples/$1.yaml"; }
