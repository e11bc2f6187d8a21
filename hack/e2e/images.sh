# Sourced by hack/e2e.sh: the two images of the e2e, as archives that containerd, Docker and kind load. No base image is
# fetched. Wants $root, $tmp and $tools.
#
#   E2E_BUILDER   buildah or docker; default: buildah, or docker where there is no buildah
# shellcheck shell=bash disable=SC2154

operator_image=docker.io/library/presigned-url-operator:$version
# As the examples name it.
tools_image=registry.example.com/tools:1
builder=${E2E_BUILDER:-$(command -v buildah >/dev/null && echo buildah || echo docker)}

buildah_here() {
  buildah --root "$tmp/buildah" --runroot "$tmp/buildah-run" --storage-driver vfs "$@"
}
build_image() { # name, Containerfile, folder with `image` in it, archive
  local build=(build --build-context "build=$3" --build-arg "VERSION=$version" --file "$2" --tag "$1" "$3")
  if [[ $builder == buildah ]]; then
    buildah_here "${build[0]}" --isolation chroot "${build[@]:1}"
    buildah_here push "$1" "docker-archive:$4:$1"
  else
    docker "${build[@]}"
    docker save --output "$4" "$1"
  fi >"$tmp/build.log" 2>&1 || {
    cat "$tmp/build.log" >&2
    return 1
  }
}

build_operator_image() { # binary
  mkdir "$tmp/operator"
  install "$1" "$tmp/presigned-url-operator"
  "$root/hack/image-root.sh" "$tmp/operator/image" "$tmp/presigned-url-operator"
  build_image "$operator_image" "$root/Containerfile" "$tmp/operator" "$tmp/images/operator.tar"
}
build_tools_image() {
  local applet image=$tmp/tools/image
  "$root/hack/image-root.sh" "$image" busybox curl wget aria2c "$tools/versitygw"
  mkdir "$image/bin"
  for applet in $(busybox --list); do
    ln -s ../usr/local/bin/busybox "$image/bin/$applet"
  done
  build_image "$tools_image" "$root/hack/e2e/Containerfile" "$tmp/tools" "$tmp/images/tools.tar"
}
