# The clients that talk to our engine, the demo model they talk to, and `./dev run`.

claude_code_version=${ANYCLAUDE_CLAUDE_CODE_VERSION:-2.1.330}
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

# Sets claude_program to the path of the pinned Claude Code, installing it first when it is not yet
# there; leaves it empty, with a note, when npm's registry cannot be reached.
claude_program=
ensure_claude_code() {
  local folder=.cache/claude-code/$claude_code_version platform program
  platform=$(claude_code_platform)
  program=$folder/node_modules/@anthropic-ai/claude-code-$platform/claude
  if [ ! -x "$program" ]; then
    if ! registry_answers "@anthropic-ai/claude-code@$claude_code_version"; then
      note "the npm registry cannot be reached: no Claude Code $claude_code_version"
      return 0
    fi
    step "Installing Claude Code $claude_code_version into $folder" \
      locked npm_folder "$folder" "@anthropic-ai/claude-code@$claude_code_version"
    [ -x "$program" ] || die "npm installed no $program"
  fi
  claude_program=$repository/$program
}

# Sets node_sdk to a folder whose node_modules/ has Anthropic's TypeScript SDK; empty as above.
node_sdk=
ensure_node_sdk() {
  local folder=.cache/node-sdk/$node_sdk_version
  if [ ! -d "$folder/node_modules/@anthropic-ai/sdk" ]; then
    if ! registry_answers "@anthropic-ai/sdk@$node_sdk_version"; then
      note "the npm registry cannot be reached: no @anthropic-ai/sdk $node_sdk_version"
      return 0
    fi
    step "Installing @anthropic-ai/sdk $node_sdk_version into $folder" \
      locked npm_folder "$folder" "@anthropic-ai/sdk@$node_sdk_version"
  fi
  node_sdk=$repository/$folder
}

# Sets claude_code_router to the program of the gateway that ours is compared with; empty as above.
claude_code_router=
ensure_claude_code_router() {
  local folder=.cache/claude-code-router/$claude_code_router_version package=@musistudio/claude-code-router
  if [ ! -d "$folder/node_modules/$package" ]; then
    if ! registry_answers "$package@$claude_code_router_version"; then
      note "the npm registry cannot be reached: no claude-code-router $claude_code_router_version"
      return 0
    fi
    step "Installing claude-code-router $claude_code_router_version into $folder" \
      locked npm_folder "$folder" "$package@$claude_code_router_version"
  fi
  claude_code_router=$repository/$folder/node_modules/$package/dist/cli.js
}

# Sets axe to a folder whose node_modules/ has axe-core, which finds what keeps people from using a page;
# empty as above.
axe=
ensure_axe() {
  local folder=.cache/axe/$axe_version
  if [ ! -d "$folder/node_modules/axe-core" ]; then
    if ! registry_answers "axe-core@$axe_version"; then
      note "the npm registry cannot be reached: no axe-core $axe_version"
      return 0
    fi
    step "Installing axe-core $axe_version into $folder" locked npm_folder "$folder" "axe-core@$axe_version"
  fi
  axe=$repository/$folder
}

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
