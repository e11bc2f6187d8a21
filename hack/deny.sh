#!/usr/bin/env bash
# Checks licences, bans and sources of every dependency. The list of advisories lives in a git repository that a closed
# network does not reach; ADVISORIES=1 asks for it as well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=${XDG_CACHE_HOME:-$HOME/.cache}/presigned-url-operator/cargo
export PATH=$PATH:$root/bin
if ! command -v cargo-deny >/dev/null; then
  echo "deny.sh: building cargo-deny, which takes minutes" >&2
  cargo install --locked --quiet --root "$root" cargo-deny@0.20.2
fi
checks=(licenses bans sources)
[[ -z ${ADVISORIES:-} ]] || checks+=(advisories)
cargo deny --log-level warn check "${checks[@]}"
