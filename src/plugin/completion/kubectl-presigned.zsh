#compdef kubectl-presigned
# Completes kubectl-presigned in zsh.
compdef _kubectl-presigned kubectl-presigned

_kubectl-presigned() {
  local line tab=$'\t'
  local -a lines told
  lines=("${(@f)$(kubectl-presigned completion kubectl -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    case $line in
    (:0) _files ;;
    (:*) ;;
    # A colon ends the word in what _describe takes.
    (*$tab*) told+=("${${line%%$tab*}//:/\\:}:${line#*$tab}") ;;
    (*) told+=("${line//:/\\:}") ;;
    esac
  done
  _describe -V 'kubectl-presigned' told
}

# As a file of the fpath this is called itself, and not sourced.
if [[ ${funcstack[1]-} == _kubectl-presigned ]]; then
  _kubectl-presigned "$@"
fi
