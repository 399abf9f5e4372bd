# Configuring and compiling a preset (see CMakePresets.json).

build_folder() { if [ "$1" = release ]; then echo build; else echo "build/$1"; fi; }

# As many compilers as there are processors, and no more than memory allows: the translation units
# with Boost.Asio or minja in them take about 1.5 GB each.
compile_jobs() {
  local processors memory_kib
  if [ -n "${ANYCLAUDE_JOBS:-}" ]; then
    echo "$ANYCLAUDE_JOBS"
    return
  fi
  processors=$(getconf _NPROCESSORS_ONLN)
  memory_kib=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null || true)
  awk -v p="$processors" -v m="${memory_kib:-64000000}" \
    'BEGIN { n = int(m / 1500000); if (n > p) n = p; if (n < 1) n = 1; print n }'
}

# What a build folder was configured for. It holds absolute paths, to the checkout and to the root's
# loader: after a move, a new root or another environment it must be made again (ccache keeps that short).
build_identity() {
  printf 'checkout %s\nenvironment %s\n' "$repository" "$environment"
  if [ "$environment" = root ]; then root_identity; fi
}

# Programs that may run on the host, outside the root, know the root's loader by its path there. gdb
# wants to find everything where the root's own programs have it.
configure() {
  local preset=$1 folder identity options=()
  folder=$(build_folder "$preset")
  identity=$(build_identity)
  if [ -e "$folder/build.ninja" ] && [ "$(cat "$folder/.made-for" 2>/dev/null)" = "$identity" ]; then
    return 0 # ninja itself configures again when a CMake file or the list of sources changed
  fi
  [ ! -e "$folder/.made-for" ] || note "the build folder was made for another place or root: starting anew"
  rm -rf "$folder"
  if [ "$environment" = root ] && [ "$preset" != debug ]; then
    options+=("-DANYCLAUDE_PRIVATE_ROOT=$root")
  fi
  inside cmake --preset "$preset" ${options[@]+"${options[@]}"} >&2
  printf '%s\n' "$identity" >"$folder/.made-for"
}

compile() {
  local preset=$1
  shift
  inside cmake --build "$(build_folder "$preset")" --parallel "$(compile_jobs)" ${@:+--target "$@"} >&2
}

configure_and_compile() {
  configure "$1"
  compile "$@"
}

# build PRESET [TARGET...]
build() {
  prepare_environment
  step "Building ($1) in $(build_folder "$1")" locked configure_and_compile "$@"
}

command_build() { # [PRESET [TARGET...]]
  local preset=${1:-release}
  [ $# -eq 0 ] || shift
  case $preset in
    release | debug | asan | tsan) build "$preset" "$@" ;;
    *) die "there is no preset '$preset'; release, debug, asan and tsan there are" ;;
  esac
}

# on_host COMMAND...: outside the root, where a person's own programs are. A container's build runs
# in the container only.
on_host() {
  if [ "$environment" = container ]; then
    in_container "$@"
  else
    "$@"
  fi
}

# The names of the benchmarks: programs of their own (build/bin/NAME_bench, bench/NAME.py), with dashes
# for underscores.
benchmark_names() {
  local file
  for file in build/bin/*_bench; do
    [ ! -x "$file" ] || basename "$file" _bench | tr _ -
  done
  for file in bench/*.py; do
    ! grep -q '^def main' "$file" || basename "$file" .py | tr _ -
  done
}

# bench_program FILE.py ARGS...: those that drive Claude Code get it, and so for claude-code-router.
bench_program() {
  local file=$1
  shift
  if grep -qw CLAUDE "$file"; then ensure_claude_code; fi
  if grep -q ANYCLAUDE_CLAUDE_CODE_ROUTER "$file"; then ensure_claude_code_router; fi
  if grep -q ANYCLAUDE_MLX_LM "$file"; then ensure_mlx_servers; fi
  inside env PYTHONDONTWRITEBYTECODE=1 "ANYCLAUDE_BIN=$repository/build/bin/anyclaude" IS_SANDBOX=1 \
    ${claude_program:+"ANYCLAUDE_CLAUDE=$claude_program"} ${mlx_lm:+"ANYCLAUDE_MLX_LM=$mlx_lm"} \
    ${claude_code_router:+"ANYCLAUDE_CLAUDE_CODE_ROUTER=$claude_code_router"} python3 "$file" "$@"
}

# Long and judged: an hour of mixed traffic (tests/soak).
command_soak() {
  build release
  inside env PYTHONDONTWRITEBYTECODE=1 python3 tests/soak/soak.py "$@"
}

command_bench() {
  build release
  local name=${1:-} file
  file=${name//-/_}
  if [ -z "$name" ] || [ "$name" = --list ]; then
    benchmark_names
    echo "anything else is passed to: anyclaude bench"
  elif [ -x "build/bin/${file}_bench" ]; then
    shift
    inside "build/bin/${file}_bench" "$@"
  elif [ -e "bench/$file.py" ]; then
    shift
    bench_program "bench/$file.py" "$@"
  else
    on_host build/bin/anyclaude bench "$@"
  fi
}
