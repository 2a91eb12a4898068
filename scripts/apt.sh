# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by all that fetches packages of other suites of Debian than the system's
# own, without touching the system's sources.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# private_apt COMMAND...: apt-get with separate lists, which any user may run
private_apt() {
	apt-get -o Dir::State::Lists="$BUILD_TOP/apt/lists" -o Dir::Cache="$BUILD_TOP/apt" \
		-o APT::Sandbox::User= -o APT::Update::Error-Mode=any "$@"
}

# site SUITE: where this machine gets Debian's packages of such a suite from
site() {
	local codename targets='$(RELEASE) $(CODENAME) $(COMPONENT) $(SITE)'
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	targets=$(apt-get indextargets --format "$targets" 'Created-By: Packages')
	if [ -z "$targets" ]; then
		# Fresh containers have no lists
		private_apt update >&2 || return
		targets=$(private_apt indextargets --format \
			'$(RELEASE) $(CODENAME) $(COMPONENT) $(SITE)' 'Created-By: Packages')
	fi
	awk -v suite="$1" -v codename="$codename" '
		BEGIN { like = codename (suite ~ /-security$/ ? "-security" : "") }
		$3 != "main" { next }
		$1 == suite || $2 == suite { exact = exact ? exact : $4 }
		$1 == like || $2 == like { alike = alike ? alike : $4 }
		END { print exact ? exact : alike }' <<< "$targets"
}

# new_root SUITE TO OPTION...: a root by mmdebstrap, which fetches as this machine does
new_root() {
	local s mirror sources=() suite=$1 to=$2
	shift 2
	for s in "$suite" "$suite-security"; do
		mirror=$(site "$s") || mirror=
		[ -n "$mirror" ] || die "cannot tell where this machine gets $s from"
		sources+=("deb $mirror $s main")
	done
	apt-config dump | grep -E '^Acquire::(https?::|Check-)' > "$SCRATCH/apt.conf" || :
	unshare --mount mmdebstrap --aptopt="$SCRATCH/apt.conf" "$@" "$suite" "$to" "${sources[@]}"
}

# in_root DIR COMMAND...: in a root that mmdebstrap made; mounts end with it
in_root() {
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child --mount-proc bash -ec '
		mount -t proc proc "$1/proc"
		mount --rbind /dev "$1/dev"
		exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${@:2}"' - "$@"
}

# use_suite SUITE deb|deb-src LOG [ARCH]: reads the list of packages of SUITE,
# for versions and suite_apt; says what is wrong if it cannot
use_suite() {
	local suite=$1 kind=$2 log=$3 site targets=Packages
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg
	[ "$kind" = deb ] || targets=Sources
	SUITE=$suite-$kind${4:+-$4}
	SUITE_ARCH=${4:-$(dpkg --print-architecture 2> /dev/null || :)}
	. /etc/os-release 2> /dev/null || ID=
	if [ "$ID" != debian ] || ! command -v apt-get > /dev/null; then
		say "only Debian has packages of $suite"
		return 1
	fi
	if [ ! -s $keys ]; then
		say "$keys is missing: apt-get install debian-archive-keyring"
		return 1
	fi
	mkdir -p "$BUILD_TOP/apt/lists/partial" "$BUILD_TOP/apt/archives/partial" "$BUILD_TOP/apt/$SUITE/partial"
	if ! site=$(site "$suite" 2> "$log") || [ -z "$site" ]; then
		say "\
cannot tell where this machine gets Debian packages from (for suite $suite);
'apt-get update' must work and 'apt-get indextargets' name a Debian mirror
(log: ${log#"$TOP"/})"
		return 1
	fi
	echo "$kind [signed-by=$keys lang=none targets=$targets] $site $suite main" \
		> "$BUILD_TOP/apt/$SUITE.list"
	suite_apt update > "$log" 2>&1 && return
	say "\
cannot read the package list of $suite:
$(grep -E '^[EW]:' "$log" | tail -n 3)
Is the network up?"
	return 1
}

# suite_apt COMMAND...: apt-get with nothing but that suite
suite_apt() {
	private_apt -o APT::Architecture="$SUITE_ARCH" \
		-o APT::Architectures="$SUITE_ARCH" \
		-o Dir::Etc::SourceList="$BUILD_TOP/apt/$SUITE.list" \
		-o Dir::Etc::SourceParts=- -o Dir::State::Lists="$BUILD_TOP/apt/$SUITE" "$@"
}

# versions PACKAGE: those that the suite has
versions() {
	# shellcheck disable=SC2016
	suite_apt indextargets --format '$(FILENAME)' |
		xargs -r /usr/lib/apt/apt-helper cat-file |
		awk -v p="$1" '$1 == "Package:" { is = $2 == p }
			is && $1 == "Version:" { print $2 }'
}
