# Sourced by hack/docs-test.sh: the commands of the docs, block by block, and who reads them. Wants $root, and $tmp, a folder that
# the test removes.
# shellcheck shell=bash disable=SC2154

passed=0
failed=0
good() { passed=$((passed + 1)); }
bad() { # what is wrong, its details
  failed=$((failed + 1))
  echo "FAIL  $1"
  [[ -z ${2:-} ]] || head -c 4000 <<<"$2" | sed 's/^/      /'
}

# Each block of shell and of console in a file, without its indentation: PAGE:LINE.sh, with %2F for each slash.
blocks=$tmp/blocks
collect() {
  mkdir -p "$blocks"
  local page
  for page in $(cd "$root" && git ls-files '*.md' || find . -name '*.md' -printf '%P\n'); do
    awk -v name="$blocks/${page//\//%2F}" '
      match($0, /^ *(```|~~~)/) {
        if (inside) { inside = 0; next }
        indent = match($0, /[^ ]/) - 1; language = substr($0, indent + 4); inside = 1
        file = ""
        if (language ~ /^(sh|bash|shell|zsh)$/) file = name ":" NR ".sh"
        if (language == "console") file = name ":" NR ".console"
        next
      }
      inside && file { print substr($0, indent + 1) >file }' "$root/$page"
  done
}

# What a person types of a block, a command a line: a line that goes on is one with the next.
typed() { # file
  case $1 in
  *.console) awk '/^\$ / { print substr($0, 3); more = /[\\|]$/; next } more { print; more = /[\\|]$/ }' "$1" ;;
  *) cat "$1" ;;
  esac
}
# The lines that a console shows as printed. What begins with # says something of them.
shown() { # file
  awk '/^\$ / { more = /[\\|]$/; next } more { more = /[\\|]$/; next } /^# / || /^$/ || $0 == "..." { next } { print }' "$1"
}
logical() { awk '{ whole = whole $0 "\n" } /[\\|]$/ { next } { gsub(/\n$/, "", whole); gsub(/\n/, "\036", whole); print whole; whole = "" }'; }

block_of() { # page, words that no other block of the page has
  local file found=()
  for file in "$blocks/${1//\//%2F}":*; do
    # shellcheck disable=SC2094
    if typed "$file" | grep -qF -- "$2"; then found+=("$file"); fi
  done
  [[ ${#found[@]} == 1 ]] || {
    bad "$1: ${#found[@]} blocks have the words: $2"
    return 1
  }
  echo "${found[0]}"
}
is_read() { : >"${1/#"$blocks"/"$tmp/read"}"; }

# Commands of a page that nothing runs, as docs/testing.md lists them: PAGE, a tab, how they begin.
left_out() {
  awk -F ' *[|] *' '
    /^## / { here = /^## Commands that no test runs/ }
    here && $2 ~ /^\[/ {
      page = $2; sub(/^.*\]\(/, "", page); sub(/\).*$/, "", page)
      page = page ~ /^\.\.\// ? substr(page, 4) : "docs/" page
      rest = $3
      while (match(rest, /`[^`]*`/)) {
        print page "\t" substr(rest, RSTART + 1, RLENGTH - 2); rest = substr(rest, RSTART + RLENGTH)
      }
    }' "$root/docs/testing.md"
}
is_left_out() { # page, command
  local page begins
  while IFS=$'\t' read -r page begins; do
    if [[ $page == "$1" && $2 == "$begins"* ]]; then
      echo "$page	$begins" >>"$tmp/left"
      return
    fi
  done <"$tmp/left-out"
  return 1
}

# Whether a command that is not run is one that its program takes.
understood() { # command
  local command=${1//$'\036'/$'\n'} word words
  bash -n <<<"$command" || return 1
  command=${command//$'\\\n'/ }
  command=${command%%#*}
  command=${command%%|*}
  mapfile -t words < <(xargs printf '%s\n' <<<"${command%%[>&]*}")
  while [[ ${words[0]} == *=* ]]; do words=("${words[@]:1}"); done
  case ${words[0]} in
  # What they do not know they refuse before they show their help.
  kubectl | helm) "${words[@]}" --help ;;
  make) (cd "$root" && make --dry-run "${words[@]:1}") ;;
  cargo) cargo_knows "${words[@]:1}" ;;
  aws) "$(hack_tool botocore)/botocore" "$root/hack/docs/aws.py" "${words[@]:1}" ;;
  esac
}
hack_tool() { "$root/hack/tools.sh" "$1"; }
cargo_knows() { # arguments: packages, binaries and tests that there are
  local word
  while [[ $# -gt 1 ]]; do
    word=$2
    case $1 in
    -p | --package) grep -rqx --include=Cargo.toml "name = \"$word\"" "$root" || return 1 ;;
    --bin) [[ -e $root/src/bin/$word.rs || -e $root/src/bin/$word/main.rs ]] || grep -qx "name = \"$word\"" "$root/Cargo.toml" || return 1 ;;
    --test) compgen -G "$root/tests/$word*" || compgen -G "$root/crates/*/tests/$word*" || return 1 ;;
    esac
    shift
  done
}

# What differs from one run to the next.
normal() {
  sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g' -e 's/\b(([0-9]+(d|h|m|s))+)( ago)?\b/DURATION/g' \
    -e 's/(resourceVersion|revision) [0-9]+/\1 N/g; s/presigned-[a-z0-9]{5}\b/presigned-xxxxx/g' -e 's/[ \t]+/ /g; s/ $//'
}
# Each line that the docs show is one that was printed; ... stands for anything.
as_shown() { # block's file
  local line pattern said found ok=0
  normal <"$tmp/said" >"$tmp/normal"
  while IFS= read -r line; do
    pattern=$(sed -E 's/[][\\*?]/\\&/g; s/ ?\.\.\. ?/*/g' <<<"$line")
    found=no
    while IFS= read -r said || [[ -n $said ]]; do
      # shellcheck disable=SC2053
      if [[ $said == $pattern ]]; then
        found=yes
        break
      fi
    done <"$tmp/normal"
    [[ $found == yes ]] || {
      echo "the page shows, and no command prints: $line"
      ok=1
    }
  done < <(shown "$1" | here | normal)
  return $ok
}

# Runs a block in a folder and a shell of its own, and compares what a console shows with what was printed.
#   status_wanted=N         the last command ends with another status than 0
#   printed_otherwise=yes   not compared: the page shows another state than the test's
#   folder=FOLDER           another folder
run() { # page, words that only this block has, how sed puts the test's names for the page's
  local file
  if file=$(block_of "$1" "$2"); then run_block "$1" "$file" "${3:-}"; fi
}
# Each block of a page that nothing has read yet.
run_rest() { # page, how sed puts the test's names
  local file
  while IFS= read -r file; do
    [[ -e ${file/#"$blocks"/"$tmp/read"} ]] || run_block "$1" "$file" "${2:-}"
  done < <(printf '%s\n' "$blocks/${1//\//%2F}":* | sort -t : -k 2 -n)
}
run_block() { # page, file, how sed
  local file=$2 line status=0 why
  while IFS= read -r line; do
    if ! is_left_out "$1" "$line"; then echo "${line//$'\036'/$'\n'}"; fi
  done < <(typed "$file" | logical) | here | sed -E "${3:-}" >"$tmp/script"
  (cd "${folder:-$tmp/here}" && bash -eu -o pipefail "$tmp/script") >"$tmp/said" 2>&1 </dev/null || status=$?
  is_read "$file"
  if [[ $status != "${status_wanted:-0}" ]]; then
    bad "$1: ends with $status: $(<"$tmp/script")" "$(<"$tmp/said")"
  elif [[ $file == *.console && -z ${printed_otherwise:-} ]] && ! why=$(as_shown "$file"); then
    bad "$1: $(<"$tmp/script")" "$why
they printed:
$(<"$tmp/normal")"
  else
    good
  fi
}
# Of what the last block printed.
said() { # words
  if grep -qF -- "$1" "$tmp/said"; then good; else bad "nothing says: $1" "$(<"$tmp/script")
$(<"$tmp/said")"; fi
}
# A block that another test runs: the test has to name it still.
elsewhere() { # page, words of the block, the test's file, words of it
  local file
  file=$(block_of "$1" "$2") || return 0
  is_read "$file"
  if grep -qF -- "$4" "$root/$3"; then good; else bad "$3 does not read this block of $1 any more: $2"; fi
}
elsewhere_all() { # page, the test's file, words of it
  local file
  for file in "$blocks/${1//\//%2F}":*; do is_read "$file"; done
  if grep -qF -- "$3" "$root/$2"; then good; else bad "$2 does not read $1 any more"; fi
}

# The commands among the sentences of a page: what only looks is run, and of the others the flags are known. Those of the plugin
# are parsed by its own tests; krew is not there.
sentences() { # page
  local command
  while IFS= read -r command; do
    case $command in
    'kubectl presigned'* | 'kubectl krew '*) continue ;;
    'kubectl get '* | 'kubectl describe '*) (cd "$tmp/here" && bash -eu <<<"$command") ;;
    *) understood "$command" ;;
    esac >"$tmp/said" 2>&1 </dev/null && good || bad "$1: $command" "$(<"$tmp/said")"
  done < <(awk '/^ *(```|~~~)/ { inside = !inside; next } !inside' "$root/$1" | tr '\n' ' ' |
    grep -oE '`(kubectl|helm|make) [^`]+`' | tr -d '`' | tr -s ' ' | sort -u)
}

# What nothing has read is listed as such, command by command.
nothing_is_unread() {
  local file page line why
  for file in "$blocks"/*; do
    [[ ! -e ${file/#"$blocks"/"$tmp/read"} ]] || continue
    page=${file#"$blocks"/}
    page=${page%:*}
    page=${page//%2F/\/}
    while IFS= read -r line; do
      [[ $line =~ ^\ *(#.*)?$ ]] || is_left_out "$page" "$line" ||
        bad "no test reads the block at line $(cut -d . -f 1 <<<"${file##*:}") of $page" "${line//$'\036'/$'\n'}"
    done < <(typed "$file" | logical)
  done
  while IFS= read -r line; do
    if ! grep -qxF -- "$line" "$tmp/left"; then bad "docs/testing.md lists a command that is not in the docs, or that a test runs: $line"; fi
  done <"$tmp/left-out"
  # All of the docs' commands that are left out, whichever block they are in.
  for file in "$blocks"/*; do
    page=${file#"$blocks"/}
    page=${page%:*}
    while IFS= read -r line; do
      is_left_out "${page//%2F/\/}" "$line" || continue
      if why=$(understood "$line" 2>&1); then good; else bad "${page//%2F/\/}: ${line//$'\036'/ }" "$why"; fi
    done < <(typed "$file" | logical)
  done
}
