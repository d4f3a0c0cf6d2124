#!/bin/sh
# Install Debian packages without changing the node's package sources and without starting services.
# usage: install-packages.sh FOLDER MIRROR PACKAGE...
# FOLDER is a scratch folder. Packages come from FOLDER/files.tar if it exists, else from MIRROR unless it is empty,
# else from the node's package sources.
set -eu
folder=$1 mirror=$2
shift 2
export DEBIAN_FRONTEND=noninteractive APT_CONFIG="$folder/apt.conf"

policy=/usr/sbin/policy-rc.d
cleanup() { [ -z "${ours:-}" ] || rm -f "$policy"; }
trap cleanup EXIT
if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

cat >"$APT_CONFIG" <<END
APT::Sandbox::User "root";
Acquire::Retries "2";
DPkg::Lock::Timeout "120";
Dpkg::Use-Pty "0";
END
rm -f "$folder/sources.list"
if [ -e "$folder/files.tar" ]; then
    mkdir -p "$folder/files"
    tar -xf "$folder/files.tar" -C "$folder/files"
    for file in "$folder"/files/*.deb; do
        dpkg-deb --field "$file"
        printf 'Filename: ./%s\nSize: %s\n' "$(basename "$file")" "$(stat -c %s "$file")"
        printf 'SHA256: %s\n\n' "$(sha256sum "$file" | cut -d ' ' -f 1)"
    done >"$folder/files/Packages"
    echo "deb [trusted=yes] file:$folder/files ./" >"$folder/sources.list"
elif [ -n "$mirror" ]; then
    . /etc/os-release
    echo "deb $mirror $VERSION_CODENAME main" >"$folder/sources.list"
fi
if [ -e "$folder/sources.list" ]; then
    mkdir -p "$folder/lists/partial" "$folder/archives/partial"
    cat >>"$APT_CONFIG" <<END
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$folder/lists";
Dir::Cache::Archives "$folder/archives";
Dir::Cache::PkgCache "";
Dir::Cache::SrcPkgCache "";
END
fi

apt-get -qq update
apt-get -qq --yes --no-install-recommends install "$@"
