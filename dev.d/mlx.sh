# MLX's servers from PyPI, which run on Linux's CPUs too: real servers for the tests of modes. Each has an
# environment of its own in .cache/, of pinned versions.

mlx_lm_version=0.32.2
mlx_omni_version=0.5.3

mlx_lm_packages=("mlx[cpu]==0.32.4" "mlx-lm==$mlx_lm_version")

# Its own list has speech and image libraries without wheels for Linux; chat needs none of them, and
# tests/modes/absent_media.py stands in where it imports them.
mlx_omni_packages=("mlx[cpu]==0.31.2" "mlx-lm==0.31.3" "transformers==5.8.1" "fastapi==0.139.2"
  "uvicorn==0.34.3" "sse-starlette==2.4.1" "python-multipart==0.0.34")

# python_environment FOLDER PACKAGE...: installs into an environment that is there.
python_environment() {
  local folder=$1
  shift
  inside "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
}

make_mlx_lm() { python_environment "$1" "${mlx_lm_packages[@]}" && touch "$1/complete"; }

make_mlx_omni() {
  local packages
  python_environment "$1" "${mlx_omni_packages[@]}" &&
    inside "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      "mlx-omni-server==$mlx_omni_version" >&2 || return
  packages=$(inside "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp tests/modes/absent_media.py "$packages/"
  echo 'import absent_media' >"$packages/absent_media.pth"
  touch "$1/complete"
}

# empty_environment FOLDER: true when PyPI answers pip there. An unfinished folder has no `complete`.
empty_environment() {
  rm -rf "$1"
  inside python3 -m venv "$1" &&
    inside "$1/bin/pip" index versions mlx-lm --retries 1 --timeout 20 >/dev/null 2>&1
}

# Sets mlx_lm and mlx_omni to the environments' folders; leaves them empty, with a note, where PyPI cannot
# be reached.
mlx_lm=
mlx_omni=
ensure_mlx_servers() {
  local name version folder
  for name in lm omni; do
    version=mlx_${name}_version
    folder=$repository/.cache/mlx-$name/${!version}
    if [ ! -e "$folder/complete" ]; then
      if ! empty_environment "$folder"; then
        note "PyPI cannot be reached: no MLX servers"
        return 0
      fi
      step "Installing mlx-$name ${!version} into .cache/mlx-$name" locked_for_clients "make_mlx_$name" "$folder"
    fi
    printf -v "mlx_$name" %s "$folder"
  done
}
