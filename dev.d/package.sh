# Packages: the archive for other systems, the .deb, and the one for npm, all in build/package/.

packages=build/package

# bring_licences VERSION: of what the archive has in it, into a root that was made without any.
bring_licences() {
  local missing
  missing=$(inside python3 packaging/bundle.py build "$1" --missing | xargs)
  [ -n "$missing" ] || return 0
  note "bringing the licences of: $missing"
  inside sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -q -y --reinstall --no-install-recommends \
    -o Dpkg::Options::=--path-include=/usr/share/doc/\*/copyright "$@"' sh $missing >&2
}

project_version() { sed -n 's/^project(anyclaude VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt; }

make_packages() {
  local version
  version=$(project_version)
  rm -f $packages/*.tar.gz $packages/*.deb $packages/*.tgz
  bring_licences "$version"
  inside python3 packaging/bundle.py build "$version" >&2
  inside cpack --config build/CPackConfig.cmake >&2
  npm_command pack "$repository/$packages/anyclaude-$version-linux-$(uname -m)" \
    --pack-destination "$repository/$packages" --loglevel=error >&2
}

command_package() {
  build release anyclaude package_files
  step "Making packages in $packages" make_packages
  ls -l $packages/*.tar.gz $packages/*.deb $packages/*.tgz >&2
}

# bare_root FOLDER SUITE [OPTION...]: a Debian that has hardly anything, made with the host's own mirror.
bare_root() {
  local folder=$1 suite=$2 option options=()
  shift 2
  install_host_package mmdebstrap mmdebstrap
  while IFS= read -r option; do
    options+=("--aptopt=$option")
  done < <(host_apt_settings)
  rm -rf --one-file-system "$folder" "$folder.new"
  mmdebstrap --mode=root --format=directory --aptopt='Acquire::Check-Valid-Until "false"' \
    ${options[@]+"${options[@]}"} --dpkgopt=force-unsafe-io "$@" "$suite" "$repository/$folder.new" \
    "$(debian_mirror)" >&2
  mv "$folder.new" "$folder"
}

# The packages, made from what is built, and systems to try them on: debian12, plain; sid_with_deb, with
# nothing but the .deb and what it names. They are empty where no such root can be made.
debian12= sid_with_deb=
ensure_packages() {
  local deb
  python3 -c 'import pytest' 2>/dev/null ||
    die "packages are tried on this machine itself: install python3-pytest"
  command_package
  if ! can_make_root || ! can_mount; then
    note "no root can be made here: the packages are looked at only"
    return 0
  fi
  if [ ! -d .cache/debian12 ]; then
    step "Making a plain Debian 12 in .cache/debian12" locked bare_root .cache/debian12 bookworm --variant=essential
  fi
  debian12=$repository/.cache/debian12
  deb=$(echo $packages/anyclaude_*.deb)
  step "Making a sid with $deb in .cache/sid" \
    locked bare_root .cache/sid sid --variant=apt "--customize-hook=copy-in $deb /var/tmp" \
    '--customize-hook=chroot "$1" sh -c "apt-get install -q -y --no-install-recommends /var/tmp/*.deb"'
  sid_with_deb=$repository/.cache/sid
}
