#!/usr/bin/env bash
# Collects what an image from scratch needs: hack/image-root.sh FOLDER PROGRAM... makes FOLDER the root of a file system with
# the programs in /usr/local/bin, the libraries that they load, the CA certificates of this machine, and a user 65532.
# Containerfile and the e2e both use it: what pods run in a test is what people build.
set -euo pipefail

root=${1:?a folder}
shift
mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/usr/local/bin"
chmod 1777 "$root/tmp"

for program in "$@"; do
  program=$(command -v "$program") || {
    echo "image-root.sh: there is no $program" >&2
    exit 1
  }
  install -m 755 "$program" "$root/usr/local/bin/"
  # A static program has no libraries, and ldd fails.
  libraries=$(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+') || true
  for library in $libraries; do
    install -D -m 755 "$library" "$root$library"
  done
done

# glibc asks /etc/hosts before the DNS only where it is told to.
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
echo "nonroot:x:65532:65532::/:/sbin/nologin" >"$root/etc/passwd"
echo "nonroot:x:65532:" >"$root/etc/group"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
