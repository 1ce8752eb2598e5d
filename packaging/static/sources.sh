# shellcheck shell=bash disable=SC2154
# sources.sh: gets each dependency's source from Debian: a private copy of the machine's own package
# sources with deb-src in place of deb, so that nothing under /etc or /var/lib/apt changes.
# `source_fetch` leaves its result in $dsc; nothing here builds anything.

indexed=no dsc=

apt_private() { # the apt options that keep all state under $cache/static-apt
  local state=$cache/static-apt
  printf '%s\n' -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$state/sources" \
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" \
    -o "Acquire::http::Timeout=30" -o "Acquire::Retries=2" -o "APT::Sandbox::User=root"
}

sources_index() { # TYPES: "deb-src" or "deb": the list of packages of that kind
  local state=$cache/static-apt file found=0 type=$1
  mkdir -p "$state/sources" "$state/lists/partial" "$state/cache/archives/partial"
  rm -f "$state"/sources/*
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    sed -E "s/^Types:.*/Types: $type/" "$file" >"$state/sources/${file##*/}" && found=1
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -s "$file" ] || continue
    sed -nE "s/^deb(-src)?[[:space:]]/$type /p" "$file" | sort -u \
      >"$state/sources/copy-$(basename "$file" .list).list"
    found=1
  done
  [ $found = 1 ] || return 1
  local options
  mapfile -t options < <(apt_private)
  timeout 180 apt-get "${options[@]}" -qq update >"$cache/static-apt/update.log" 2>&1
}

source_candidates() { # NAME: the pinned version first, then what the index lists, newest first
  local name=$1 pinned options version
  pinned=$(awk -v n="$name" '$1 == n {print $2}' "$here/versions")
  [ "$pin" = yes ] || echo "$pinned"
  mapfile -t options < <(apt_private)
  apt-cache "${options[@]}" showsrc --only-source "$name" 2>/dev/null |
    awk '/^Version:/ {print $2}' | sort -ruV | while read -r version; do
    if [ "$version" != "$pinned" ] || [ "$pin" = yes ]; then echo "$version"; fi
  done
}

source_in() { # NAME DIR: prints the .dsc of that name that lies there
  local dsc
  for dsc in "$2"/"$1"_*.dsc; do
    [ ! -e "$dsc" ] || { echo "$dsc" && return 0; }
  done
  return 1
}

source_folder() { # NAME VERSION: what was fetched once stays, so a later build needs no network
  echo "$cache/static-sources/$1_${2//[^A-Za-z0-9.+~-]/_}"
}

source_download() { # NAME VERSION
  local dir options
  dir=$(source_folder "$1" "$2")
  [ ! -e "$dir/.complete" ] || return 0
  [ $indexed = yes ] || { sources_index deb-src || true; } && indexed=yes
  mapfile -t options < <(apt_private)
  rm -rf "$dir" && mkdir -p "$dir"
  (cd "$dir" && timeout 300 apt-get "${options[@]}" -qq --download-only --only-source \
    source "$1=$2") >"$dir/.log" 2>&1 && : >"$dir/.complete"
}

# NAME: leaves in $dsc the path of a .dsc with its files beside it.
source_fetch() {
  local name=$1 version pinned tried=""
  if [ -n "${PROBE_STATIC_SOURCES:-}" ] && dsc=$(source_in "$name" "$PROBE_STATIC_SOURCES"); then
    source_check "$name" "$dsc" && return 0
    return 1
  fi
  pinned=$(awk -v n="$name" '$1 == n {print $2}' "$here/versions")
  if [ "$pin" = yes ] || ! source_download "$name" "$pinned"; then
    [ $indexed = yes ] || { sources_index deb-src || true; } && indexed=yes
  fi
  for version in $(source_candidates "$name"); do
    if source_download "$name" "$version" && dsc=$(source_in "$name" "$(source_folder "$name" "$version")"); then
      [ -z "$tried" ] || say "warning: $name$tried could not be had, $version is used instead"
      source_check "$name" "$dsc" && return 0
      return 1
    fi
    tried="$tried $version"
  done
  say "no source of $name could be had (tried:${tried:- nothing, the index lists none})"
  return 1
}

source_way_on() {
  say "error: the build needs the source of $1."
  say "  A way on: lay the .dsc, .orig.tar.* and .debian.tar.* of the version that"
  say "  packaging/static/versions names into a folder and set PROBE_STATIC_SOURCES to it,"
  say "  or run 'packaging/static/build --pin' to take what the mirror has today."
  [ ! -s "$cache/static-apt/update.log" ] || sed 's/^/  apt: /' "$cache/static-apt/update.log" >&2
}

# NAME FOLDER: leaves a binary package there.
package_download() {
  local options
  sources_index deb || return 1
  indexed=no
  mapfile -t options < <(apt_private)
  (cd "$2" && timeout 300 apt-get "${options[@]}" -qq download "$1")
}

source_check() { # NAME DSC: the pinned version has the pinned content
  local name=$1 dsc=$2 version want have
  version=$(awk '/^Version:/ {print $2; exit}' "$dsc")
  read -r _ pinned want < <(grep "^$name " "$here/versions")
  [ "$version" = "$pinned" ] && [ "$want" != - ] && [ "$pin" = no ] || return 0
  have=$(sha256sum "$dsc" | cut -d' ' -f1)
  [ "$have" = "$want" ] && return 0
  say "error: $dsc has SHA-256 $have, packaging/static/versions says $want: not used"
  return 1
}
