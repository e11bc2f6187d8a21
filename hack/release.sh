#!/usr/bin/env bash
# What the workflow of a release does with the sources.
#
#   hack/release.sh check TAG            fail unless TAG is vX.Y.Z of the version that every file says, with notes
#   hack/release.sh notes TAG            print the notes of that version, from CHANGELOG.md
#   hack/release.sh chart FOLDER IMAGE   package the chart into FOLDER with IMAGE as the repository of its image, and tell
#                                        Artifact Hub of the images and of the changes in the notes; wants helm
#   hack/release.sh hub FOLDER ID        write artifacthub-repo.yml into FOLDER, for the repository that has this id there
#   hack/release.sh krew TAG FOLDER URL  pack each kubectl-presigned-linux-ARCH of FOLDER, and write the krew manifest beside;
#                                        URL is where the archives will be
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chart=charts/presigned-url-operator

die() {
  echo "release.sh: $*" >&2
  exit 1
}
cargo_version() { sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"$/\1/p' Cargo.toml; }
chart_field() { sed -n "s/^$1: \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$chart/Chart.yaml"; }

notes() { # version
  awk -v heading="## $1" '
    index($0, "## ") == 1 { inside = $0 == heading || index($0, heading " ") == 1; next }
    inside { print }' CHANGELOG.md
}

# The notes as Artifact Hub takes them: plain text, one entry for each point of a section that it has a kind for.
changes() { # version
  notes "$1" | awk '
    function flush() {
      if (text != "" && kind ~ /^(added|changed|deprecated|removed|fixed|security)$/) {
        gsub(/\*\*/, "", text)
        while (match(text, /\[[^]]*\]\([^)]*\)/)) {
          link = substr(text, RSTART, RLENGTH); start = RSTART; rest = substr(text, RSTART + RLENGTH)
          sub(/^\[/, "", link); sub(/\]\(.*$/, "", link)
          text = substr(text, 1, start - 1) link rest
        }
        gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text)
        printf "    - kind: %s\n      description: \"%s\"\n", kind, text
      }
      text = ""
    }
    /^### / { flush(); kind = tolower($2); next }
    /^- / { flush(); text = substr($0, 3); next }
    /^$/ { flush(); next }
    text != "" { sub(/^ +/, ""); text = text " " $0 }
    END { flush() }'
}

case ${1:-} in
check)
  tag=${2:?a tag}
  version=$(cargo_version)
  [[ $tag == "v$version" ]] || die "the tag is $tag, and Cargo.toml says $version"
  for field in version appVersion; do
    [[ $(chart_field "$field") == "$version" ]] || die "$chart/Chart.yaml: $field is $(chart_field "$field"), and Cargo.toml says $version"
  done
  notes "$version" | grep -q '[^[:space:]]' || die "CHANGELOG.md has no section '## $version' with something in it"
  ;;
notes)
  tag=${2:?a tag}
  notes "${tag#v}"
  ;;
chart)
  folder=${2:?a folder}
  image=${3:?the repository of an image}
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  cp -r "$chart" "$tmp/chart"
  # In the sources the repository is what somebody builds for himself.
  awk -v image="$image" '/^[^ #]/ { section = $0 }
    section == "image:" && /^  # No image is published yet/ { next }
    section == "image:" && /^  repository: / { $0 = "  repository: " image; done = 1 }
    { print } END { exit !done }' "$chart/values.yaml" >"$tmp/chart/values.yaml" || die "$chart/values.yaml has no image.repository"
  version=$(chart_field appVersion)
  {
    cat "$chart/Chart.yaml"
    echo "  artifacthub.io/images: |"
    printf '    - name: presigned-url-operator\n      image: %s\n      platforms: [linux/amd64, linux/arm64]\n' "$image:$version"
    printf '    - name: test\n      image: %s\n' "$(sed -n '/^tests:$/,/^[a-z]/ s/^  image: //p' "$chart/values.yaml")"
    echo "  artifacthub.io/changes: |"
    changes "$version"
  } >"$tmp/chart/Chart.yaml"
  helm package "$tmp/chart" --destination "$folder" >/dev/null
  ;;
hub)
  folder=${2:?a folder}
  id=${3:?an id}
  [[ $id =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || die "the id of a repository of Artifact Hub is a UUID, and this is '$id'"
  sed -e 1d -e "s/@ID@/$id/" hack/artifacthub-repo.yml >"$folder/artifacthub-repo.yml"
  ;;
krew)
  tag=${2:?a tag}
  folder=${3:?a folder}
  url=${4:?a URL}
  cp hack/krew.yaml "$folder/presigned.yaml"
  fill=(-e "s|@TAG@|$tag|" -e "s|@URL@|$url|" -e '1d')
  for arch in amd64 arm64; do
    binary=$folder/kubectl-presigned-linux-$arch
    [[ -f $binary ]] || die "there is no $binary"
    tmp=$(mktemp -d)
    install -m 755 "$binary" "$tmp/kubectl-presigned"
    install -m 644 LICENSE "$tmp/"
    # The same files make the same archive.
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --directory "$tmp" kubectl-presigned LICENSE |
      gzip --no-name >"$binary.tar.gz"
    rm -r "$tmp" "$binary"
    sum=$(sha256sum "$binary.tar.gz")
    fill+=(-e "s|@SHA256-$arch@|${sum%% *}|")
  done
  sed -i "${fill[@]}" "$folder/presigned.yaml"
  ! grep -n '@[A-Z]' "$folder/presigned.yaml" || die "hack/krew.yaml has a field that nobody fills"
  ;;
*) die "say check TAG, notes TAG, chart FOLDER IMAGE, hub FOLDER ID or krew TAG FOLDER URL" ;;
esac
