# Where to build: on the host, in a private Debian root, or in a container.

environment=

# Names of the packages in packages.txt.
listed_packages() { sed 's/#.*//' packages.txt | xargs; }

host_has_libllama() {
  command -v pkg-config >/dev/null && pkg-config --atleast-version=0.7 llama
}

host_has_cxx23() {
  local compiler
  compiler=$(command -v "${CXX:-c++}") || return 1
  printf '#include <expected>\n#include <print>\nstd::expected<int, int> e;\n' |
    "$compiler" -std=c++23 -fsyntax-only -x c++ - 2>/dev/null
}

# Names what the host lacks for a native build beside libllama and a compiler.
missing_host_packages() {
  if command -v dpkg-query >/dev/null; then
    local package
    for package in $(listed_packages); do
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
  else
    local program
    for program in cmake ninja pkg-config; do
      command -v $program >/dev/null || echo $program
    done
  fi | xargs
}

host_is_ready() {
  host_has_libllama && host_has_cxx23 || return 1
  local missing
  missing=$(missing_host_packages)
  [ -z "$missing" ] && return 0
  note "this machine has libllama; with these packages too it would build without a root: $missing"
  return 1
}

# One line of apt's kind of system, one of Homebrew's, and what to do where neither is at hand.
explain_what_is_needed() {
  say "anyclaude needs libllama >= 0.7 with its headers and a C++23 compiler. One of these will do:"
  if [ "$(uname -s)" = Darwin ]; then
    cat >&2 <<'TEXT'
  * Homebrew (nobody has tried this on macOS yet):
      brew install llama.cpp cmake ninja pkgconf ccache boost nlohmann-json cli11 spdlog tomlplusplus \
        ftxui openssl blake3 googletest google-benchmark node
    minja (headers) and rapidcheck have no formula that we know of: install them from
    their repositories (google/minja, emil-e/rapidcheck).
  * podman or docker, running
TEXT
  else
    cat >&2 <<'TEXT'
  * on Debian or Ubuntu: run ./dev as root (sudo ./dev ...); it makes a private Debian root in .rootfs/
    and changes nothing else but installing mmdebstrap
  * podman or docker, running, and allowed for this user
  * a distribution with libllama >= 0.7: the packages in packages.txt (those are Debian's names)
TEXT
  fi
}

choose_environment() {
  [ -z "$environment" ] || return 0
  case ${ANYCLAUDE_ENVIRONMENT:-} in
    host | root | container) environment=$ANYCLAUDE_ENVIRONMENT ;;
    '')
      if inside_private_root || host_is_ready; then
        environment=host
      elif can_make_root; then
        environment=root
      elif container_engine >/dev/null; then
        environment=container
      else
        explain_what_is_needed
        exit 1
      fi
      ;;
    *) die "ANYCLAUDE_ENVIRONMENT is '$ANYCLAUDE_ENVIRONMENT'; it can be host, root or container" ;;
  esac
  if [ "$environment" != host ]; then
    case $repository in
      *[[:space:]:]*) die "the checkout's path has a space or a colon, which the library path inside the program cannot hold: '$repository'. Move it." ;;
    esac
  fi
}

# Where ccache keeps what the compiler made, for all checkouts of a person's.
choose_ccache_folder() {
  ccache_folder=${XDG_CACHE_HOME:-${HOME:-$repository}/.cache}/anyclaude-build/ccache
  mkdir -p "$ccache_folder" 2>/dev/null || ccache_folder=$repository/.cache/ccache
  ccache_variables=("CCACHE_DIR=$ccache_folder" "CCACHE_BASEDIR=$repository" CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=3G)
}

# Makes the chosen environment ready for `inside`. Quick when it already is.
prepare_environment() {
  choose_environment
  choose_ccache_folder
  case $environment in
    root) root_is_ready || locked prepare_root ;;
    container) container_is_ready || locked prepare_container ;;
  esac
}

# inside COMMAND...: runs the command in the environment, in the repository.
inside() {
  case $environment in
    host) env "${ccache_variables[@]}" "$@" ;;
    root) in_root "$@" ;;
    container) in_container "$@" ;;
  esac
}

# Environment variables that reach into the root or container: proxies and certificates (a proxy
# may stand between us and npm), npm's and pip's own settings, and ours. Printed as NAME=VALUE,
# each ended by a NUL.
passed_variables() {
  local name
  for name in $(compgen -e); do
    case $name in
      http_proxy | https_proxy | no_proxy | all_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | ALL_PROXY | \
        SSL_CERT_FILE | SSL_CERT_DIR | NODE_EXTRA_CA_CERTS | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | \
        npm_config_* | NPM_CONFIG_* | PIP_* | ANYCLAUDE_* | TERM | COLORTERM | CI | \
        ASAN_OPTIONS | UBSAN_OPTIONS | TSAN_OPTIONS | LSAN_OPTIONS | GTEST_* | RC_PARAMS)
        printf '%s=%s\0' "$name" "${!name}"
        ;;
    esac
  done
  printf '%s\0' "${ccache_variables[@]}" LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
}

command_shell() {
  prepare_environment
  if [ $# -eq 0 ]; then
    inside bash -i
  else
    inside "$@"
  fi
}

command_clean() {
  case ${1:-} in
    '') step "Removing build/" rm -rf build ;;
    --all)
      # The root never has mounts of its own (see in_root); --one-file-system is the second lock.
      step "Removing build/, .rootfs/ and .cache/" \
        rm -rf --one-file-system build .rootfs .rootfs.new .cache
      ;;
    *) die "clean takes --all or nothing" ;;
  esac
}
