# clang-format and clang-tidy over our own sources.

our_sources() { find src tests bench -name '*.cpp' -o -name '*.h' | LC_ALL=C sort; }

check_format() {
  inside clang-format --dry-run -Werror "$@" >&2 || die "./dev lint --fix formats these files"
}

fix_format() { inside clang-format -i "$@"; }

# One clang-tidy per file, several at a time; xargs fails when one of them does.
check_tidy() {
  printf '%s\0' "$@" | inside xargs -0 -n 1 -P "$(compile_jobs)" \
    sh -c 'echo "    clang-tidy $0" >&2; exec clang-tidy --quiet -p build/lint "$0" 2>&1' >&2
}

command_lint() {
  local files=() translation_units=() file fix=
  prepare_environment
  if [ "${1:-}" = --fix ]; then
    fix=yes
    shift
  fi
  if [ $# -gt 0 ]; then
    files=("$@")
  else
    while IFS= read -r file; do files+=("$file"); done < <(our_sources)
  fi
  for file in "${files[@]}"; do
    case $file in *.cpp) translation_units+=("$file") ;; esac
  done
  if [ -n "$fix" ]; then
    step "Formatting ${#files[@]} files" fix_format "${files[@]}"
    return
  fi
  step "Configuring, for compile_commands.json" locked configure lint
  step "clang-format: ${#files[@]} files" check_format "${files[@]}"
  [ ${#translation_units[@]} -eq 0 ] ||
    step "clang-tidy: ${#translation_units[@]} files" check_tidy "${translation_units[@]}"
}
