#!/usr/bin/env bash
# Sees to it that commands are there: hack/prerequisites.sh COMMAND... Each Makefile target names its own.
#
# As root, or with a sudo that asks for no password, it installs what Debian has, and says so first. In every
# other case one message names all that is missing and how to get it, and nothing is installed.
# Everything is printed on standard error. Four words are no commands:
#
#   ca-certificates   the roots that Go asks of the system, to fetch modules
#   cni-plugins       what gives containers their network
#   fonts-inter       the font of the pictures in the docs
#   python3-venv      a python3 that makes virtual environments
set -euo pipefail
exec >&2
cd "$(dirname "${BASH_SOURCE[0]}")/.."

at_least() { # wanted, version; two numbers of each count
  local wanted version
  IFS=. read -r -a wanted <<<"$1"
  IFS=. read -r -a version <<<"$2"
  ((version[0] > wanted[0] || version[0] == wanted[0] && version[1] >= wanted[1]))
}

# `lack` says what is wrong with a command that is there and does not do.
cargo_does() {
  local cargo wanted
  cargo=$(command -v cargo) || return 1
  # rustup fetches the compiler that rust-toolchain.toml pins.
  [[ ! -x ${cargo%/*}/rustup ]] || return 0
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  [[ $(cargo --version) =~ ([0-9]+\.[0-9]+) ]] || return 0
  lack="cargo $wanted (this one is ${BASH_REMATCH[1]})"
  at_least "$wanted" "${BASH_REMATCH[1]}"
}
go_does() {
  local version wanted
  command -v go >/dev/null || return 1
  wanted=$(sed -n 's/^go //p' hack/kube/go.mod)
  [[ $(GOTOOLCHAIN=local go version) =~ go([0-9]+\.[0-9]+) ]] || return 0
  version=${BASH_REMATCH[1]}
  lack="go $wanted (this one is $version)"
  # From 1.21 on Go fetches the version that go.mod asks for, where it may.
  at_least "$wanted" "$version" || { at_least 1.21 "$version" && [[ $(go env GOTOOLCHAIN) != local ]]; }
}
certificates_do() {
  local file
  [[ -z ${SSL_CERT_FILE:-}${SSL_CERT_DIR:-} ]] || return 0
  # Debian, Fedora, openSUSE, Alpine.
  for file in ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt ssl/ca-bundle.pem ssl/cert.pem; do
    [[ ! -e /etc/$file ]] || return 0
  done
  return 1
}

does() { # command
  lack=$1
  case $1 in
  ca-certificates) certificates_do ;;
  cargo) cargo_does ;;
  chromium) command -v chromium >/dev/null || command -v google-chrome >/dev/null ;;
  cni-plugins) [[ -x /usr/lib/cni/bridge || -x /opt/cni/bin/bridge ]] ;;
  fonts-inter) [[ -e /usr/share/fonts/opentype/inter ]] ;;
  go) go_does ;;
  python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

# Fills `missing`, `packages` with what Debian calls it, and `elsewhere` with how to get what is not Debian's.
look() { # command...
  local command
  missing=() packages=() elsewhere=()
  for command in "$@"; do
    does "$command" && continue
    missing+=("$lack")
    case $command in
    cargo | cargo-clippy | cargo-fmt)
      elsewhere[0]="Rust: https://rustup.rs (rustup fetches the compiler that this project pins), then a new shell" ;;
    go) elsewhere[1]="Go: https://go.dev/dl" ;;
    cargo-*) elsewhere[2]="$command: cargo install --locked $command" ;;
    docker | podman) elsewhere[3]="Docker: https://docs.docker.com/engine/install, or Podman with DOCKER=podman" ;;
    kind) elsewhere[4]="kind: https://kind.sigs.k8s.io/docs/user/quick-start#installation" ;;
    aria2c) packages+=(aria2) ;;
    busybox) packages+=(busybox-static) ;;
    c++) packages+=(g++) ;;
    cc) packages+=(gcc libc6-dev) ;;
    chromium)
      # Ubuntu's own is a snap, which sees no temporary folder.
      if [[ $(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null) == ubuntu ]]; then
        elsewhere[5]="Chromium: Google Chrome does too, https://www.google.com/chrome"
      else
        packages+=(chromium)
      fi
      ;;
    cni-plugins) packages+=(containernetworking-plugins) ;;
    # Without the service that the package tinyproxy starts.
    tinyproxy) packages+=(tinyproxy-bin) ;;
    # With a service too.
    ctr | containerd) [[ " ${packages[*]} " == *" containerd "* ]] || packages+=(containerd) ;;
    diff) packages+=(diffutils) ;;
    script) packages+=(bsdutils) ;;
    node) packages+=(nodejs) ;;
    ip) packages+=(iproute2) ;;
    # With a service, which `install` ends again.
    prometheus | promtool) [[ " ${packages[*]} " == *" prometheus "* ]] || packages+=(prometheus) ;;
    buildah | ca-certificates | curl | fish | fonts-inter | jq | openssl | python3-venv | runc | tar | wget | zsh)
      packages+=("$command")
      ;;
    *)
      echo "prerequisites.sh: say which package holds $command"
      exit 2
      ;;
    esac
  done
}

# Debian's or Ubuntu's own, by whoever may.
as_root=()
may_install() {
  command -v apt-get >/dev/null || return 1
  [[ $(id -u) != 0 ]] || return 0
  as_root=(sudo -n)
  sudo -n true 2>/dev/null
}
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"; }
install() { # package...
  apt_get update && apt_get install -y --no-install-recommends "$@" </dev/null || return 1
  # Nobody asked for services that run and listen; the tests start their own.
  local service
  for service in prometheus containerd; do
    [[ " $* " != *" $service "* ]] || ! command -v systemctl >/dev/null ||
      "${as_root[@]}" systemctl disable --now "$service.service" 2>/dev/null || true
  done
}

look "$@"
if [[ ${#packages[@]} -gt 0 && ${#elsewhere[@]} -eq 0 ]] && may_install; then
  echo "Installing from Debian: ${packages[*]}"
  if install "${packages[@]}"; then
    hash -r
    look "$@"
  fi
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

printf -v names '%s, ' "${missing[@]}"
echo "Missing on this machine: ${names%, }"
for how in "${elsewhere[@]}"; do
  echo "  $how"
done
if [[ ${#packages[@]} -gt 0 ]]; then
  if ! command -v apt-get >/dev/null; then
    echo "  with this system's package manager, what Debian calls: ${packages[*]}"
  elif [[ $(id -u) == 0 ]]; then
    echo "  apt-get install ${packages[*]}"
  else
    echo "  sudo apt-get install ${packages[*]}"
  fi
fi
exit 1
