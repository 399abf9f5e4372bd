# Running the tests and counting what they did. Every group leaves NAME.log and NAME.xml (JUnit's
# format) in build/test-results/, and one line in summary: name, result, passed, failed, skipped, seconds.

results=build/test-results
# What runs a group: inside (the environment) or on_host.
group_runner=inside
# A group that hangs must not hang a build server; the longest takes a third of this.
group_limit_seconds=1500

# count_results FILE.xml: prints "passed failed skipped". GoogleTest calls a test that is compiled
# but switched off "disabled"; it did not run, so it counts as skipped.
count_results() {
  awk '
    function count(name) { return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3) + 0 : 0 }
    /<testsuite / {
      tests += count("tests"); bad += count("failures") + count("errors")
      idle += count("skipped") + count("disabled")
    }
    END { print tests - bad - idle, bad + 0, idle + 0 }' RS='>' "$1"
}

# record_group NAME STATUS SECONDS STRICT: judges one finished group and adds its line. STRICT is
# yes where everything the group needs is here, so that a skipped test is a fault.
record_group() {
  local name=$1 status=$2 seconds=$3 strict=$4 counts="0 1 0" result=passed
  if [ -s "$results/$name.xml" ]; then
    counts=$(count_results "$results/$name.xml")
  fi
  set -- $counts # passed failed skipped
  if [ "$status" -eq 124 ]; then
    result="stopped after $group_limit_seconds s"
  elif [ "$status" -ne 0 ] || [ "$2" -ne 0 ]; then
    result=FAILED
  elif [ $(($1 + $3)) -eq 0 ]; then
    result="FAILED: no tests"
  elif [ "$strict" = yes ] && [ "$3" -ne 0 ]; then
    result="FAILED: skipped tests"
  fi
  # A group that died before it wrote its counts, or whose fault is not a test's, is one failure.
  if [ "$result" != passed ] && [ "$2" -eq 0 ]; then set -- "$1" 1 "$3"; fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$result" "$1" "$2" "$3" "$seconds" >>"$results/summary"
  note "$name: $result, $1 passed, $2 failed, $3 skipped in $seconds s"
}

# Keeps a terminal readable: passed tests that took under a second are in the log only.
without_quick_passes() { grep --line-buffered -v -E '^\[ RUN      \]|^\[       OK \].*\([0-9]{1,3} ms\)$|^OK, passed |^Using configuration|^$' || true; }

# Beside another lane only what failed is shown, when it is over.
is_shown=yes
show_group() {
  if [ $is_shown = yes ]; then without_quick_passes >&2; else cat >/dev/null; fi
}

# run_group NAME STRICT COMMAND...: runs it under the time limit, and records it.
run_group() {
  local name=$1 strict=$2 began=$SECONDS status=0
  shift 2
  [ $is_shown = no ] || say "==> Testing: $name"
  rm -f "$results/$name.xml"
  { $group_runner timeout --kill-after=10 "$group_limit_seconds" "$@" 2>&1 | tee "$results/$name.log" |
    show_group; } || status=$?
  if [ $is_shown = no ] && [ $status -ne 0 ]; then
    without_quick_passes <"$results/$name.log" | tail -n 300 >&2
  fi
  record_group "$name" $status $((SECONDS - began)) "$strict"
}

# run_beside COMMAND...: commands that run groups, at once: most tests need one processor, and many
# wait. Only the last is shown, of the others their results.
run_beside() {
  local lane status=0
  say "==> Testing, and beside it what is told of when it is over"
  set -m # process groups of their own, to be ended with
  while [ $# -gt 1 ]; do
    (
      is_shown=no
      $1
    ) &
    started_beside+=($!)
    shift
  done
  set +m
  $1 || status=$?
  for lane in "${started_beside[@]}"; do
    wait "$lane" || status=$?
  done
  started_beside=()
  return $status
}

run_gtest() { # NAME PROGRAM ARGS...
  local name=$1 program=$2
  shift 2
  if [ ! -x "$program" ]; then
    say "==> Testing: $name"
    note "$program was not built: there are no tests for it"
    rm -f "$results/$name.xml"
    record_group "$name" 1 0 no
    return
  fi
  run_group "$name" no "$program" "--gtest_output=xml:$results/$name.xml" "$@"
}

tested_program=build/bin/anyclaude

run_pytest() { # NAME STRICT FOLDER ARGS...
  local name=$1 strict=$2 folder=$3
  shift 3
  run_group "$name" "$strict" env "ANYCLAUDE_BIN=$repository/$tested_program" \
    ${claude_program:+"ANYCLAUDE_CLAUDE=$claude_program"} ${node_sdk:+"ANYCLAUDE_NODE_SDK=$node_sdk"} \
    ${axe:+"ANYCLAUDE_AXE=$axe"} ${ANYCLAUDE_SCREENSHOTS:+"ANYCLAUDE_SCREENSHOTS=$ANYCLAUDE_SCREENSHOTS"} \
    ${debian12:+"ANYCLAUDE_DEBIAN12=$debian12"} ${sid_with_deb:+"ANYCLAUDE_SID=$sid_with_deb"} \
    ${mlx_lm:+"ANYCLAUDE_MLX_LM=$mlx_lm"} ${mlx_omni:+"ANYCLAUDE_MLX_OMNI=$mlx_omni"} \
    PYTHONDONTWRITEBYTECODE=1 IS_SANDBOX=1 python3 -m pytest -p no:cacheprovider -ra --durations=5 \
    --junitxml="$results/$name.xml" "$folder" "$@"
}

# The program must start outside the root too, with the host's older libc.
run_host_start() {
  local began=$SECONDS status=0
  say "==> Testing: host"
  on_host build/bin/anyclaude --version >"$results/host.log" 2>&1 || status=$?
  [ $status -eq 0 ] || cat "$results/host.log" >&2
  printf '<testsuite tests="1" failures="%s">\n' $((status != 0)) >"$results/host.xml"
  record_group host $status $((SECONDS - began)) no
}

# Prints the table and, last, the sum; fails when a group did.
show_summary() {
  awk -F '\t' '
    BEGIN { printf "\n%-14s %8s %8s %8s %8s   %s\n", "group", "passed", "failed", "skipped", "seconds", "result" }
    { printf "%-14s %8d %8d %8d %8d   %s\n", $1, $3, $4, $5, $6, $2; p += $3; f += $4; s += $5 }
    END { printf "\n%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$results/summary"
}

start_summary() {
  mkdir -p "$results"
  : >"$results/summary"
}

# The longest first, so that all lanes end at about the same time.
usual_groups=(cli engine faults api dashboard backends modes unit docs)
other_groups=(versions fuzz property package)

ensure_clients() { # GROUP...
  case " $* " in *" api "*) ensure_node_sdk ;; esac
  case " $* " in *" cli "* | *" faults "* | *" modes "*) ensure_claude_code ;; esac
  case " $* " in *" modes "*) ensure_mlx_servers ;; esac
  case " $* " in *" dashboard "*) ensure_axe ;; esac
}

# While the compiler works, what these groups need is downloaded; what became of that is told behind it.
build_beside_clients() { # GROUP...
  mkdir -p .cache
  set -m # a process group of its own, to be ended with
  ensure_clients "$@" </dev/null >.cache/clients.log 2>&1 &
  set +m
  started_beside=($!)
  build release
  step "Installing what else the tests need" wait_for_any_end "${started_beside[0]}"
  started_beside=()
  ensure_clients "$@"
}

wait_for_any_end() { wait "$1" || true; }

test_groups() { # GROUP... -- ARGS
  local groups=() group
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case " ${usual_groups[*]} ${other_groups[*]} " in
      *" $1 "*) groups+=("$1") ;;
      *) die "there is no test group '$1'; there are: ${usual_groups[*]} ${other_groups[*]}" ;;
    esac
    shift
  done
  [ $# -eq 0 ] || shift
  [ ${#groups[@]} -gt 0 ] || groups=("${usual_groups[@]}")
  build_beside_clients "${groups[@]}"
  case " ${groups[*]} " in *" fuzz "*) build fuzz $(fuzz_targets | sed 's/$/_fuzz/') ;; esac
  case " ${groups[*]} " in *" package "*) ensure_packages ;; esac
  start_summary
  run_host_start
  gtest_and_pytest_args=("$@")
  put_in_line "${groups[@]}"
  if [ ${#groups[@]} -eq 1 ]; then
    run_line
  else
    run_beside run_line run_line run_line
  fi
  show_summary
}

# put_in_line GROUP...
put_in_line() {
  local group place=10
  rm -rf "$results/line"
  mkdir -p "$results/line"
  for group in "${usual_groups[@]}" "${other_groups[@]}"; do
    case " $* " in
      *" $group "*)
        : >"$results/line/$place-$group"
        place=$((place + 1))
        ;;
    esac
  done
}

# Runs what the other lane has not taken out of the line: only one can remove a file.
gtest_and_pytest_args=()
run_line() {
  local place
  for place in "$results"/line/*; do
    ! rm "$place" 2>/dev/null ||
      run_named_group "${place##*-}" ${gtest_and_pytest_args[@]+"${gtest_and_pytest_args[@]}"}
  done
}

run_named_group() { # GROUP ARGS
  local group=$1
  shift
  case $group in
    unit | engine) run_gtest "$group" "build/bin/${group}_tests" "$@" ;;
    property)
      run_gtest property-unit build/bin/unit_tests '--gtest_filter=*Property*' "$@"
      run_gtest property-engine build/bin/engine_tests '--gtest_filter=*Property*' "$@"
      ;;
    api) run_pytest api "${node_sdk:+yes}" tests/api "$@" ;;
    fuzz) run_fuzz_group ;;
    backends) run_pytest backends yes tests/backends "$@" ;;
    dashboard) run_pytest dashboard "${axe:+yes}" tests/browser "$@" ;;
    docs) run_pytest docs yes tests/docs "$@" ;;
    faults) run_pytest faults "${claude_program:+yes}" tests/faults "$@" ;;
    cli) run_pytest cli "${claude_program:+yes}" tests/cli "$@" ;;
    package) group_runner=on_host run_pytest package no tests/package "$@" ;;
    versions) run_versions "$@" ;;
    modes) run_pytest modes "${claude_program:+${mlx_omni:+yes}}" tests/modes "$@" ;;
  esac
}

# What has to hold with earlier versions of Claude Code too.
version_tests=(tests/cli/test_{conversation,sessions,subagent,terminal,tools}.py)

run_versions() { # ARGS
  local version claude_program
  for version in "${earlier_claude_code_versions[@]}"; do
    ensure_claude_code "$version"
    run_pytest "cli-$version" "${claude_program:+yes}" "${version_tests[@]}" "$@"
  done
}

# libllama, libggml and OpenMP are not built with the sanitizers; tests/*.supp name what is theirs.
# The programs run inside the root, or, where that would mean proot, outside it: neither
# ThreadSanitizer's memory layout nor LeakSanitizer gets on with proot.
test_sanitized() {
  local preset
  if [ "$environment" = root ] && ! can_mount; then group_runner=on_host; fi
  export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  export LSAN_OPTIONS=suppressions=$repository/tests/lsan.supp:print_suppressions=0
  export TSAN_OPTIONS=suppressions=$repository/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1
  fewer_rounds
  for preset in asan tsan; do
    build $preset unit_tests engine_tests
  done
  start_summary
  gtest_and_pytest_args=("$@")
  run_beside "run_suites asan" "run_suites tsan"
  show_summary
}

# Of what is random: every round takes five to ten times as long, and what it runs is the same code.
fewer_rounds() {
  export ANYCLAUDE_SCHEDULES=${ANYCLAUDE_SCHEDULES:-200} ANYCLAUDE_FUZZ_INPUTS=${ANYCLAUDE_FUZZ_INPUTS:-100}
  export ANYCLAUDE_SCHEMAS=${ANYCLAUDE_SCHEMAS:-30} ANYCLAUDE_FORK_SCHEDULES=${ANYCLAUDE_FORK_SCHEDULES:-60}
  export ANYCLAUDE_KILLS=${ANYCLAUDE_KILLS:-3} RC_PARAMS=${RC_PARAMS:-max_success=40}
}

run_suites() { # PRESET
  run_suite "$1" unit
  run_suite "$1" engine
}

run_suite() { # PRESET unit|engine
  run_gtest "$1-$2" "build/$1/bin/$2_tests" ${gtest_and_pytest_args[@]+"${gtest_and_pytest_args[@]}"}
}

# Which of our lines and branches the tests reach: build/coverage/report/.
test_coverage() {
  fewer_rounds
  build coverage unit_tests engine_tests anyclaude
  ensure_node_sdk
  start_summary
  find build/coverage -name '*.gcda' -delete
  tested_program=build/coverage/bin/anyclaude
  run_beside "run_suite coverage engine" run_suites_of_the_program
  inside python3 tests/coverage.py build/coverage build/coverage/report
  show_summary
}

run_suites_of_the_program() {
  run_suite coverage unit
  run_pytest api no tests/api --ignore=tests/api/test_endurance.py --ignore=tests/api/test_resources.py # memory
  run_pytest backends no tests/backends
}

fuzz_targets() { (cd tests/fuzz && printf '%s\n' *_fuzz.cpp | sed 's/_fuzz\.cpp$//'); }

# run_fuzz_target NAME ARGS: a target of tests/fuzz under libFuzzer, ASan and UBSan. Inputs that reach
# new code go to build/, and one that breaks something to build/fuzz/NAME-*; what is worth keeping is
# merged into the corpus by hand (-merge=1).
run_fuzz_target() {
  local name=$1 found=build/fuzz/corpus/$1
  shift
  mkdir -p "$found"
  inside env UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 "build/fuzz/bin/${name}_fuzz" \
    -max_len=16384 -timeout=10 "-artifact_prefix=build/fuzz/$name-" "$@" "$found" "tests/fuzz/corpus/$name"
}

command_fuzz() {
  local name=${1:-}
  [ -e "tests/fuzz/${name}_fuzz.cpp" ] || die "name one of these: $(fuzz_targets | tr '\n' ' ')"
  shift
  prepare_environment
  build fuzz "${name}_fuzz"
  [ $# -gt 0 ] || set -- -max_total_time=60
  run_fuzz_target "$name" "$@"
}

# Every target for a short while, each a test of the group.
fuzz_seconds=20
run_fuzz_group() {
  local name began=$SECONDS bad=0 count=0 log=$results/fuzz.log
  say "==> Testing: fuzz"
  : >"$log"
  for name in $(fuzz_targets); do
    count=$((count + 1))
    if run_fuzz_target "$name" -max_total_time=$fuzz_seconds >"$results/fuzz-$name.log" 2>&1; then
      say "    $name: $(tail -n 1 "$results/fuzz-$name.log")"
    else
      bad=$((bad + 1))
      tail -n 60 "$results/fuzz-$name.log" >&2
      note "$name: broken; ./dev fuzz $name INPUT runs an input of build/fuzz/ again"
    fi
    cat "$results/fuzz-$name.log" >>"$log"
  done
  printf '<testsuite tests="%s" failures="%s">\n' $count $bad >"$results/fuzz.xml"
  record_group fuzz $bad $((SECONDS - began)) no
}

command_test() {
  prepare_environment
  if [ "${1:-}" = --sanitize ]; then
    shift
    [ "${1:-}" != -- ] || shift
    test_sanitized "$@"
  elif [ "${1:-}" = --coverage ]; then
    test_coverage
  else
    test_groups "$@"
  fi
}
