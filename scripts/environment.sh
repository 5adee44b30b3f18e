# Sourced by scripts/up and scripts/test: makes .venv hold exactly what requirements.lock says.
# Nothing is done when it already does; a changed lock or another Python installs anew.

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv="$here/.venv"

find_python() {
    for candidate in "${TSQ_PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] || continue
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    echo "topstepquant needs Python 3.11 or newer; none was found on PATH (set TSQ_PYTHON to name one)" >&2
    return 1
}

fail_setup() {
    echo "set-up failed: $1" >&2
    exit 1
}

prepare_environment() {
    python=$(find_python) || exit 1
    want=$(cat "$here/requirements.lock" "$here/pyproject.toml" | cksum)
    if [ "$(cat "$venv/.complete" 2>/dev/null)" = "$want" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    echo "setting up $venv with $("$python" --version) (once; needs the network)" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv" ||
        fail_setup "python -m venv did not work (Debian and Ubuntu keep it in the package python3-venv)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes -r "$here/requirements.lock" ||
        fail_setup "the locked dependencies could not be installed"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation --editable "$here" ||
        fail_setup "the project itself could not be installed"
    printf '%s' "$want" >"$venv/.complete"
}
