# The system packages Alcove needs, by what they are for. Sourced by ./dev. Debian 12 and Ubuntu 24.04 name them alike;
# where names differ, the alternatives stand on one line as a|b and the first one that apt knows is taken.

# To build the programs, run them and fetch the default model.
packages_run='
cmake ninja-build g++ pkg-config
qt6-base-dev qt6-svg-dev|libqt6svg6-dev qt6-tools-dev qt6-tools-dev-tools qt6-l10n-tools
libqt6sql6-sqlite libmd4c-dev
libsentencepiece-dev libpcre2-dev libxxhash-dev libcli11-dev nlohmann-json3-dev libfmt-dev libexpected-dev
python3 python3-pip ca-certificates fonts-dejavu-core
'

# To build and run the tests and the benchmarks as well.
packages_test='
libgtest-dev libgmock-dev libbenchmark-dev binutils
xvfb desktop-file-utils appstream
'

# For ./dev lint, ./dev format, ./dev fuzz and the sanitizers. One version of clang on every machine,
# because two of them neither format nor warn alike.
packages_tools='
git clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
'

# missing_packages GROUP... : those of the groups that are not installed, one a line. Asks dpkg only, so it is
# quick and works offline.
missing_packages() {
    local group entry alternative list
    for group in "$@"; do
        list=packages_$group
        for entry in ${!list}; do
            for alternative in ${entry//|/ }; do
                is_installed "$alternative" && continue 2
            done
            echo "$entry"
        done
    done
}

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages GROUP... : names what is missing, installs it, and says nothing when all is there.
install_packages() {
    local missing named names=() entry alternative as_root=() log
    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian or Ubuntu: the packages in packaging/packages.sh are yours to install by their names here"
        return
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    named=$(echo $missing | sed -E 's/([^ |]+)\|([^ ]+)/\1 (or \2)/g')
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "these packages are missing and there is no sudo to install them with: $named"
        as_root=(sudo)
    fi
    say "installing with ${as_root[*]:+sudo }apt-get: $named"
    mkdir -p build
    log=build/setup.log
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 || apt_failed "read the package lists" "$log"
    for entry in $missing; do
        for alternative in ${entry//|/ }; do
            apt-cache show "$alternative" >/dev/null 2>&1 && break
        done
        names+=("$alternative")
    done
    # The packages' scripts write to standard output, and apt-get closes the descriptor that its account of how far it
    # is goes to before it runs them; sudo closes all but the first three. So a shell between them makes a fourth.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c 'exec "$@" 3>&1 1>&2' sh \
        apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 "${names[@]}" \
        2>>"$log" </dev/null | apt_progress ||
        apt_failed "install the packages" "$log"
}

# Shows the percentages in apt-get's status lines on standard error, each tenth once.
apt_progress() {
    local line now shown= pattern='^(dl|pm)status:[^:]*(:[a-z][a-z0-9]*)?:([0-9]+)'
    while IFS= read -r line; do
        [[ $line =~ $pattern ]] || continue
        now="$((BASH_REMATCH[3] / 10 * 10)) %"
        if [ "${BASH_REMATCH[1]}" = dl ]; then now="downloading packages: $now"; else now="installing packages: $now"; fi
        [ "$shown" = "$now" ] || say "$now"
        shown=$now
    done
}

apt_failed() { # WHAT LOG
    local why
    # The cause comes first: a mirror that cannot be read, then a package that cannot be set up, then apt-get's own word.
    why=$(grep -E '^[EW]: Failed to fetch' "$2" | tail -1) || why=$(grep -m 1 '^dpkg: error' "$2") ||
        why=$(grep -E '^(E:|Err:|sudo:)' "$2" | tail -1) || true
    die "apt-get could not $1: ${why:0:200} (all of it: $2);" \
        "check the network, the mirrors under /etc/apt and the free space, then run this again"
}
