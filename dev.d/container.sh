# The same environment as a podman or docker container, for people who have one of them running.

container_image=anyclaude-dev

# Prints the container program that works here.
container_engine() {
  local engine
  for engine in podman docker; do
    if command -v $engine >/dev/null && $engine info >/dev/null 2>&1; then
      echo $engine
      return
    fi
  done
  return 1
}

# The image's tag holds the fingerprint of what it is made from.
container_tag() { echo "$container_image:$(cat Containerfile packages.txt | fingerprint)"; }

container_is_ready() {
  local engine
  engine=$(container_engine) && $engine image inspect "$(container_tag)" >/dev/null 2>&1
}

prepare_container() {
  local engine tag
  engine=$(container_engine) || die "neither podman nor docker answers on this machine"
  tag=$(container_tag)
  container_is_ready && return
  step "Making the container image $tag with $engine" build_image "$engine" "$tag"
}

build_image() {
  local context
  context=$(mktemp -d)
  cp packages.txt "$context"
  $1 build -t "$2" -f Containerfile "$context" >&2
  rm -rf "$context"
}

# podman without root maps the container's root to this user; docker needs to be told whose files
# the build makes.
in_container() {
  local engine options=() variable
  engine=$(container_engine)
  while IFS= read -r -d '' variable; do
    options+=(--env "$variable")
  done < <(passed_variables)
  [ "$engine" = docker ] && options+=(--user "$(id -u):$(id -g)")
  if [ -t 0 ] && [ -t 1 ]; then options+=(--tty); fi
  $engine run --rm --interactive --init --network host --security-opt label=disable \
    --cap-add SYS_PTRACE "${options[@]}" --env HOME=/tmp \
    --volume "$repository:$repository" --volume "$ccache_folder:$ccache_folder" --workdir "$repository" "$(container_tag)" "$@"
}
