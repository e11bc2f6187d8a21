# Completes kubectl-presigned in bash.
_kubectl_presigned() {
  local typed=${COMP_LINE:0:COMP_POINT} words partial candidate files=
  read -r -a words <<<"$typed"
  [[ $typed != *[[:space:]] ]] || words+=('')
  partial=${words[${#words[@]} - 1]}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    case $candidate in
    :0) files=yes ;;
    :*) ;;
    *) COMPREPLY+=("$candidate") ;;
    esac
  done < <(kubectl-presigned completion kubectl -- "${words[@]:1}" 2>/dev/null)
  # To bash a word begins after each =, so that of --flag=value the value alone is completed.
  if [[ $partial == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#*=}")
    partial=${partial#*=}
  fi
  [[ -n $files ]] || return 0
  compopt -o filenames 2>/dev/null
  while IFS= read -r candidate; do
    COMPREPLY+=("$candidate")
  done < <(compgen -f -- "$partial")
}
complete -F _kubectl_presigned kubectl-presigned
