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

# Process groups started beside this process, which end with it.
started_beside=()

at_the_end() {
  local status=$?
  if [ $status -ne 0 ] && [ -n "$current_step" ]; then
    say "dev: stopped (status $status) in: $current_step"
  fi
  [ ${#started_beside[@]} -eq 0 ] || kill -- "${started_beside[@]/#/-}" 2>/dev/null || true
}

# Without a trap of its own, bash goes on after Ctrl-C when the program that it waited for handled the
# signal itself and ended with an ordinary error.
watch_for_the_end() {
  trap at_the_end EXIT
  trap "current_step=; $*"' exit 130' INT
}
watch_for_the_end 'say "dev: interrupted; what is built and installed is kept";'

# One ./dev at a time sets up or builds in a checkout, and one installs clients, beside it.
locked() { with_lock dev "$@"; }
locked_for_clients() { with_lock clients "$@"; }

# with_lock NAME COMMAND...: The lock goes with the process, so that an interrupted run leaves none, and
# the command's children do not inherit it. A subshell, so that errors in COMMAND end it at once: call it
# where nothing tests its status.
with_lock() {
  local name=$1
  shift
  mkdir -p .cache
  if ! command -v flock >/dev/null; then # macOS
    "$@"
    return
  fi
  (
    started_beside=() # not by this subshell
    watch_for_the_end # which does not inherit traps
    flock --nonblock 9 || {
      note "waiting for another ./dev in this checkout"
      flock 9
    }
    "$@" 9>&-
  ) 9>".cache/$name.lock"
}

# A short fingerprint of standard input; cksum is the one hash that every system has.
fingerprint() { cksum | tr ' ' '-'; }
