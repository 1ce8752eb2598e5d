# shellcheck shell=bash disable=SC2154
# sbom.sh: writes an SPDX 2.3 document about the static binary from the manifest of its parts.
# Every field is ours or a version number: nothing in it needs escaping.

sbom_license() {
  case $1 in
    openssl | mongo-c-driver) echo Apache-2.0 ;;
    curl) echo curl ;;
    c-ares | libuv1 | jansson | musl | nghttp2 | utf8proc) echo MIT ;;
    libmicrohttpd) echo LGPL-2.1-or-later ;;
    libinih) echo BSD-3-Clause ;;
    zlib) echo Zlib ;;
    *) echo NOASSERTION ;;
  esac
}

sbom_package() { # NAME VERSION SHA256-or-dash KIND
  local checksum="" id=SPDXRef-$1 version=${2//+/%2B}
  [ "$3" = - ] || checksum="
      \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"$3\"}],"
  cat <<JSON
    {
      "SPDXID": "$id",
      "name": "$1",
      "versionInfo": "$2",
      "supplier": "Organization: Debian",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,$checksum
      "licenseConcluded": "$(sbom_license "$1")",
      "licenseDeclared": "$(sbom_license "$1")",
      "copyrightText": "NOASSERTION",
      "comment": "$4",
      "externalRefs": [{
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": "pkg:deb/debian/$1@${version//:/%3A}?arch=source&distro=trixie"
      }]
    }
JSON
}

write_sbom() { # BINARY MANIFEST
  local version sum created name ver sha kind comma="" relation
  version=$(sed -nE 's/^project\(probe VERSION ([0-9.]+).*/\1/p' "$root/CMakeLists.txt")
  sum=$(sha256sum "$1" | cut -d' ' -f1)
  created=$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)
  cat <<JSON
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "probe-$version",
  "documentNamespace": "urn:probe:$version:$sum",
  "creationInfo": {"created": "$created", "creators": ["Tool: packaging/static/build"]},
  "documentDescribes": ["SPDXRef-probe"],
  "packages": [
    {
      "SPDXID": "SPDXRef-probe",
      "name": "probe",
      "versionInfo": "$version",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "checksums": [{"algorithm": "SHA256", "checksumValue": "$sum"}],
      "licenseConcluded": "NOASSERTION",
      "licenseDeclared": "NOASSERTION",
      "copyrightText": "NOASSERTION",
      "primaryPackagePurpose": "APPLICATION"
    },
JSON
  while read -r name ver sha kind; do
    printf '%s' "$comma"
    sbom_package "$name" "$ver" "$sha" "$kind"
    comma=$'    ,\n'
  done <"$2"
  printf '  ],\n  "relationships": [\n'
  printf '    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-probe"}'
  while read -r name _ _ kind; do
    relation="\"SPDXRef-probe\", \"relationshipType\": \"STATIC_LINK\", \"relatedSpdxElement\": \"SPDXRef-$name\""
    [ "$kind" != build-tool ] ||
      relation="\"SPDXRef-$name\", \"relationshipType\": \"BUILD_TOOL_OF\", \"relatedSpdxElement\": \"SPDXRef-probe\""
    printf ',\n    {"spdxElementId": %s}' "$relation"
  done <"$2"
  printf '\n  ]\n}\n'
}
