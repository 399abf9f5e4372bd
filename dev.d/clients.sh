# The clients that talk to our engine, the demo model they talk to, and `./dev run`.

claude_code_version=${ANYCLAUDE_CLAUDE_CODE_VERSION:-2.1.330}
earlier_claude_code_versions=(2.1.329 2.1.328) # for ./dev test versions
node_sdk_version=1.12.0
claude_code_router_version=2.0.0 # the last that is one program of its own
axe_version=4.14.1

# npm of the host when its Node is recent enough, else the root's or container's.
npm_command() {
  local major
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
  if command -v npm >/dev/null && [ "${major:-0}" -ge 20 ]; then
    npm "$@"
  else
    inside npm "$@"
  fi
}

# True when npm's registry answers; a package that then cannot be installed is an error, not a
# reason to skip.
registry_answers() {
  npm_command view "$1" version --fetch-retries=1 --fetch-timeout=30000 >/dev/null 2>&1
}

# npm_folder FOLDER PACKAGE@VERSION: installs into FOLDER/node_modules; an unfinished folder never
# bears the name. Scripts are not run: what we use needs none.
npm_folder() {
  rm -rf "$1" "$1.new"
  mkdir -p "$1.new"
  echo '{"private": true}' >"$1.new/package.json"
  npm_command install --prefix "$1.new" --no-package-lock --no-audit --no-fund --ignore-scripts \
    --loglevel=error "$2" >&2 ||
    die "npm could not install $2, though its registry answers (see above)"
  mv "$1.new" "$1"
}

# npm's name for this system, as in @anthropic-ai/claude-code-linux-x64.
claude_code_platform() {
  local system machine
  case $(uname -m) in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) die "Claude Code has no build for $(uname -m)" ;;
  esac
  system=$(uname -s | tr '[:upper:]' '[:lower:]')
  if [ "$environment" = container ]; then
    echo "linux-$machine" # it runs in the container then
  elif [ "$system" = linux ] && ldd --version 2>&1 | grep -qi musl; then
    echo "linux-$machine-musl"
  else
    echo "$system-$machine"
  fi
}

# npm_package VARIABLE NAME PACKAGE VERSION: sets VARIABLE to .cache/NAME/VERSION, whose node_modules/ has the
# package, installing it first when it is not yet there; leaves it empty, with a note, when npm's registry
# cannot be reached.
npm_package() {
  local folder=.cache/$2/$4
  if [ ! -d "$folder/node_modules/$3" ]; then
    if ! registry_answers "$3@$4"; then
      note "the npm registry cannot be reached: no $3 $4"
      return 0
    fi
    step "Installing $3 $4 into $folder" locked_for_clients npm_folder "$folder" "$3@$4"
  fi
  printf -v "$1" %s "$repository/$folder"
}

# Each ensure_ sets the variable above it; it stays empty where the package cannot be had.

claude_program= # path of the pinned Claude Code
ensure_claude_code() { # [VERSION]
  npm_package claude_program claude-code @anthropic-ai/claude-code "${1:-$claude_code_version}"
  [ -n "$claude_program" ] || return 0
  claude_program+=/node_modules/@anthropic-ai/claude-code-$(claude_code_platform)/claude
  [ -x "$claude_program" ] || die "npm installed no $claude_program"
}

node_sdk= # folder with Anthropic's TypeScript SDK
ensure_node_sdk() { npm_package node_sdk node-sdk @anthropic-ai/sdk "$node_sdk_version"; }

claude_code_router= # program of the gateway that ours is compared with
ensure_claude_code_router() {
  local package=@musistudio/claude-code-router
  npm_package claude_code_router claude-code-router "$package" "$claude_code_router_version"
  [ -z "$claude_code_router" ] || claude_code_router+=/node_modules/$package/dist/cli.js
}

axe= # folder with axe-core, which finds what keeps people from using a page
ensure_axe() { npm_package axe axe axe-core "$axe_version"; }

# Sets demo_model to the default demo model, made once for every state of its generator's sources.
demo_model=
ensure_demo_model() {
  local version
  version=$(cat src/demo/*.cpp src/demo/*.h | fingerprint)
  demo_model=$repository/.cache/demo/default-$version.gguf
  if [ ! -e "$demo_model" ]; then
    step "Making the demo model" locked make_demo_model "$demo_model"
  fi
}

make_demo_model() {
  mkdir -p "$(dirname "$1")"
  rm -f "$(dirname "$1")"/default-*
  on_host build/bin/anyclaude model demo -o "$1.new" >&2
  mv "$1.new" "$1"
}

# ./dev run: the real client, headless, on the demo model. ./dev run -- ARGS: our program, where the
# caller stands.
command_run() {
  if [ $# -gt 0 ]; then
    [ "$1" = -- ] || die "run takes nothing, or -- and arguments for anyclaude"
    shift
    build release anyclaude
    [ "$environment" = container ] || cd "$caller_directory"
    on_host "$repository/build/bin/anyclaude" "$@"
    return
  fi
  build release anyclaude
  ensure_demo_model
  ensure_claude_code
  if [ -n "$claude_program" ]; then
    step "Running Claude Code $claude_code_version on the demo model" on_host build/bin/anyclaude bench \
      --client claude --claude "$claude_program" --model "$demo_model" --json build/run.json
  else
    step "Replaying requests of Claude Code's shape on the demo model" on_host build/bin/anyclaude bench \
      --repeats 1 --model "$demo_model" --json build/run.json
  fi
  say "The figures are in build/run.json. Next, in a project of yours, with a GGUF model of yours:"
  say "  $repository/build/bin/anyclaude --model /path/to/model.gguf"
}
