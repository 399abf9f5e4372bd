# What a person sees while ./dev works. All of it goes to standard error, so that the output of
# `./dev run -- ARGS` is the program's alone.

current_step=

say() { printf '%s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }

die() {
  printf 'dev: %s\n' "$*" >&2
  current_step=
  exit 1
}

# step WHAT COMMAND...: runs the command, says what it does and how long it took. Never call it in a
# condition: bash would then ignore failures inside COMMAND.
step() {
  local what=$1 began=$SECONDS
  shift
  current_step=$what
  say "==> $what"
  "$@"
  current_step=
  note "done in $((SECONDS - began)) s"
}

report_unfinished_step() {
  local status=$?
  if [ $status -ne 0 ] && [ -n "$current_step" ]; then
    say "dev: stopped (status $status) in: $current_step"
  fi
}

# Without a trap of its own, bash goes on after Ctrl-C when the program that it waited for handled the
# signal itself and ended with an ordinary error.
watch_for_the_end() {
  trap report_unfinished_step EXIT
  trap "current_step=; $*"' exit 130' INT
}
watch_for_the_end 'say "dev: interrupted; the same command goes on from here";'

# locked COMMAND...: one ./dev at a time sets up or builds in a checkout. The lock goes with the
# process, so that an interrupted run leaves none, and the command's children do not inherit it.
# A subshell, so that errors in COMMAND end it at once: call it where nothing tests its status.
locked() {
  mkdir -p .cache
  if ! command -v flock >/dev/null; then # macOS
    "$@"
    return
  fi
  (
    watch_for_the_end # a subshell does not inherit traps
    flock --nonblock 9 || {
      note "waiting for another ./dev in this checkout"
      flock 9
    }
    "$@" 9>&-
  ) 9>.cache/dev.lock
}

# A short fingerprint of standard input; cksum is the one hash that every system has.
fingerprint() { cksum | tr ' ' '-'; }
