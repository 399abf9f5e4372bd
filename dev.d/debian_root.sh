# The private Debian sid root in .rootfs/: made with mmdebstrap from packages.txt, entered with chroot.
#
# .rootfs/anyclaude-root says that it is complete and what is in it. It is written last and removed
# before a change, so a set-up that was interrupted is seen and made again.

root=$repository/.rootfs
root_stamp=$root/anyclaude-root

inside_private_root() { [ -e /anyclaude-root ]; }

can_make_root() {
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && command -v chroot >/dev/null
}

# Which packages the root should have, and how it is made.
wanted_root() { printf 'packages %s\n' "$(listed_packages | fingerprint)"; }

# Tells one root from the next one made in its place; a build belongs to one of them.
root_identity() { tail -n 1 "$root_stamp"; }

root_is_ready() { [ -e "$root_stamp" ] && [ "$(head -n 1 "$root_stamp")" = "$(wanted_root)" ]; }

# Another ./dev may have made it while this one waited for the lock.
prepare_root() {
  local wanted
  wanted=$(wanted_root)
  if root_is_ready; then
    return
  elif [ -e "$root_stamp" ]; then
    step "packages.txt changed: installing what is new in .rootfs/" update_root "$wanted"
  else
    step "Making a Debian sid root in .rootfs/ (about 2 GB; a minute or two with a near mirror)" make_root "$wanted"
  fi
}

make_root() {
  local mirror option options=()
  require_disk_space
  install_host_package mmdebstrap mmdebstrap
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
    install_host_package "" debian-archive-keyring
  mirror=$(debian_mirror)
  note "packages from: $mirror"
  while IFS= read -r option; do
    options+=("--aptopt=$option")
  done < <(host_apt_settings)
  rm -rf --one-file-system .rootfs.new .rootfs
  # Mirrors can be frozen, with a Release file that has expired. Nobody reads manuals in there; licences
  # go into packages.
  mmdebstrap --variant=minbase --mode=root --format=directory \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    ${options[@]+"${options[@]}"} \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$(listed_packages | tr ' ' ',')" sid "$repository/.rootfs.new" "$mirror" >&2 ||
    die "mmdebstrap failed (see above). If a package is missing, the mirror's sid is too old: name another one in ANYCLAUDE_DEBIAN_MIRROR. Then run the same command again."
  stamp_root "$1" .rootfs.new
  mv .rootfs.new .rootfs
}

# Sid moves: what no longer installs into an old root does into a new one.
update_root() {
  rm -f "$root_stamp"
  if in_root sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"' sh \
    $(listed_packages) >&2; then
    stamp_root "$1" .rootfs
  else
    note "that did not work; making the root anew"
    make_root "$1"
  fi
}

stamp_root() { printf '%s\nmade %s-%s\n' "$1" "$(date +%s)" "$$" >"$2/anyclaude-root"; }

require_disk_space() {
  local free_kib
  free_kib=$(df -Pk . | awk 'NR == 2 { print $4 }')
  [ "$free_kib" -ge 4000000 ] || die "the root and a build need 4 GB here; free: $((free_kib / 1024)) MB"
}

# install_host_package PROGRAM PACKAGE: nothing when PROGRAM is already there.
install_host_package() {
  [ -n "$1" ] && command -v "$1" >/dev/null && return
  note "installing $2 on this machine"
  if ! apt-get install -q -y --no-install-recommends "$2" >&2; then
    apt-get update -q >&2
    apt-get install -q -y --no-install-recommends "$2" >&2
  fi
}

# The host's own Debian mirror. apt itself reads its sources (both formats, options, mirror lists)
# and prints the address of every Release file; the first that is Debian's and has sid is it.
debian_mirror() {
  if [ -n "${ANYCLAUDE_DEBIAN_MIRROR:-}" ]; then
    echo "$ANYCLAUDE_DEBIAN_MIRROR"
    return
  fi
  local uri suite release
  release=$(mktemp)
  while read -r uri suite; do
    case $uri:$suite in
      *-security | *:*-backports) continue ;;
      mirror+* | mirror:*) # cannot be asked for one file; trusted when it serves the host's release
        if [ "$(. /etc/os-release && echo "$ID ${VERSION_CODENAME:-sid}")" = "debian $suite" ]; then
          echo "$uri"
          rm -f "$release"
          return
        fi
        ;;
      *)
        if /usr/lib/apt/apt-helper download-file "$uri/dists/sid/InRelease" "$release" >/dev/null 2>&1 &&
          grep -q '^Origin: Debian$' "$release"; then
          echo "$uri"
          rm -f "$release"
          return
        fi
        ;;
    esac
  done < <(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*\)/dists/\([^/]*\)/InRelease'.*|\1 \2|p")
  rm -f "$release"
  die "none of this machine's apt sources is a Debian mirror that answers and has sid. Name one: ANYCLAUDE_DEBIAN_MIRROR=http://HOST/debian ./dev ..."
}

# The host's proxy and TLS settings for apt, as lines of apt.conf.
host_apt_settings() {
  apt-config dump | grep -E '^Acquire::https?::([^ ]*::)?(Proxy|CaInfo|Verify-Peer|Verify-Host) "[^"]' || true
}

# Files of the host that programs in the root read: names, and the certificates the host trusts
# (a proxy between us and the registries may have one of its own). Copied, not mounted, and renamed
# into place, so that a running program always reads a whole file.
copy_host_files() {
  local file name
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt \
    "${SSL_CERT_FILE:-}" "${NODE_EXTRA_CA_CERTS:-}" "${REQUESTS_CA_BUNDLE:-}" "${CURL_CA_BUNDLE:-}" "${PIP_CERT:-}"; do
    [ -f "$file" ] || continue
    name=$root$file
    [ -L "$name" ] && rm -f "$name"
    cmp -s "$file" "$name" && continue
    mkdir -p "$(dirname "$name")"
    cp -L "$file" "$name.$$"
    mv "$name.$$" "$name"
  done
}

can_mount() { unshare --mount --propagation private true 2>/dev/null; }

# in_root COMMAND...: the checkout, ccache's folder, /proc, /dev, /sys and /tmp are the host's. The
# mounts live in a mount namespace that ends with the command, so none is ever left behind. Where a
# container may not mount (no CAP_SYS_ADMIN), proot shows the same files; compiling then takes about a
# fifth longer.
in_root() {
  local variables=() variable
  while IFS= read -r -d '' variable; do
    variables+=("$variable")
  done < <(passed_variables)
  variables+=(HOME=/root)
  copy_host_files
  if can_mount; then
    unshare --mount --propagation private sh -ec '
      root=$1 repository=$2 ccache=$3
      shift 3
      mount --rbind /proc "$root/proc"
      mount --rbind /sys "$root/sys"
      mount --rbind /dev "$root/dev"
      mount --bind /tmp "$root/tmp"
      for folder in "$repository" "$ccache"; do
        mkdir -p "$folder" "$root$folder"
        mount --bind "$folder" "$root$folder"
      done
      exec chroot "$root" "$@"' \
      sh "$root" "$repository" "$ccache_folder" /usr/bin/env -i "${variables[@]}" \
      /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$repository" "$@"
  else
    install_host_package proot proot
    proot -r "$root" -b /proc -b /sys -b /dev -b /tmp -b "$repository" -b "$ccache_folder" -w "$repository" \
      /usr/bin/env -i "${variables[@]}" "$@"
  fi
}
