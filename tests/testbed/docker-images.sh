# The images of the Docker part: the base image of the shipped environments, and two small ones to test odd images with.
# An engine that was there before gets them from its registry; where that fails, and in an engine of our own, they are made of Debian packages
# and kept as tar files in $STATE/images, named by what they were made from. An image of another maker is never replaced.

readonly USUAL_BASE=python:3.11-slim
readonly BUSYBOX=trainconf-testbed/busybox:1  # sh and the like, no Python
readonly EMPTY=trainconf-testbed/empty:1      # one static program, no sh
readonly MAKER="trainconf testbed"            # the comment of what was made here starts so

images_up() {
  [ -n "$(missing_images)" ] || engine_is_ours || return 0
  if ! engine_is_ours; then
    images_from_registry && return
    local why
    why=$(why_not_here)
    [ -z "$why" ] || unable "docker: the engine lacks the image $(missing_images), its registry does not give it, and $why"
    say "docker: making them of Debian packages instead; \`tests/testbed/down\` removes them"
  fi
  rm -rf "$STATE"/images/making.*  # of an `up` that was ended
  SOURCE=$(debian_source)
  readonly SOURCE
  small_image_up "$BUSYBOX" busybox --change 'ENV PATH=/bin' --change 'CMD ["sh"]'
  small_image_up "$EMPTY" empty --change 'CMD ["/true"]'
  base_image_up
}

# Only what was made here; an image that is in use stays, and docker says so.
images_down() {
  local name
  for name in "$BUSYBOX" "$EMPTY" $(slim_images); do
    [[ $(made_from "$name") != "$MAKER"* ]] || docker rmi "$name" >/dev/null || say "docker: $name stays"
  done
}

missing_images() {
  local missing=()
  [ -n "$(base_image)" ] || missing+=("$USUAL_BASE")
  has_image "$BUSYBOX" || missing+=("$BUSYBOX")
  has_image "$EMPTY" || missing+=("$EMPTY")
  echo "${missing[*]}"
}

# The image that stands for Python's official one: Debian's own Python names it, so it is not the usual one everywhere.
base_image() { if has_image "$USUAL_BASE"; then echo "$USUAL_BASE"; else slim_images | head -n 1; fi; }

slim_images() { docker image ls --filter 'reference=python:3.*-slim' --format '{{.Repository}}:{{.Tag}}'; }
has_image() { docker image inspect "$1" >/dev/null 2>&1; }
made_from() { docker image inspect --format '{{.Comment}}' "$1" 2>/dev/null || true; }

images_from_registry() {
  say "docker: asking the engine's registry for $(missing_images)"
  has_image "$USUAL_BASE" || docker pull --quiet "$USUAL_BASE" || return
  docker pull --quiet busybox:musl && docker tag busybox:musl "$BUSYBOX" || return  # the musl one is static
  docker build --quiet --tag "$EMPTY" - <<<$'FROM busybox:musl AS static\nFROM scratch\nCOPY --from=static /bin/true /true\nCMD ["/true"]'
} >&2

# small_image_up NAME KIND IMPORT-OPTIONS...: import what make_<KIND> makes.
small_image_up() {
  local name=$1 kind=$2 key
  shift 2
  key=$(key_of "$kind")
  image_is_free "$name" "$key" || return 0
  [ -r "$STATE/images/$key.tar" ] || make_tar "make_$kind" "$key"
  import "$STATE/images/$key.tar" "$name" "$key" "$@"
}

base_image_up() {
  local key tar name minor
  key=$(key_of base)
  image_is_free "$USUAL_BASE" "$key" || return 0
  tar=$(compgen -G "$STATE/images/$key-3.*.tar") || true
  if [ -z "$tar" ]; then
    command -v debootstrap >/dev/null || install debootstrap
    say "docker: making the base image of Debian packages; about a minute"
    make_tar make_base "$key"
    tar=$(compgen -G "$STATE/images/$key-3.*.tar")
  fi
  minor=${tar##*-}
  name=python:${minor%.tar}-slim
  image_is_free "$name" "$key" || return 0
  # as the official image has them
  import "$tar" "$name" "$key" --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]'
}

# image_is_free NAME KEY: the name is to be taken by what KEY says: nobody has it, or an older one of ours.
image_is_free() {
  has_image "$1" || return 0
  local from
  from=$(made_from "$1")
  [[ $from == "$MAKER"* && $from != "$MAKER $2" ]]
}

import() {
  local tar=$1 name=$2 key=$3
  shift 3
  say "docker: importing $name"
  docker import --message "$MAKER $key" "$@" "$tar" "$name" >/dev/null
}

# What an image is made from: this file, and where the packages come from.
key_of() { echo "$1-$( { cat "$HERE/docker-images.sh"; echo "$SOURCE"; dpkg --print-architecture; } | sha256sum | cut -c1-12)"; }

# make_tar FUNCTION KEY: the function fills a folder; its tar goes to $STATE/images/KEY[-SUFFIX].tar, SUFFIX being what the function prints.
make_tar() {
  local making suffix
  mkdir -p "$STATE/images"
  making=$(mktemp -d "$STATE/images/making.XXXXXX")
  mkdir -m 755 "$making/root"
  suffix=$("$1" "$making/root")
  rm -f "$STATE/images/${2%-*}"-*.tar  # made from what is not so any more
  tar --directory="$making/root" --numeric-owner --create --file="$making/tar" .
  mv "$making/tar" "$STATE/images/$2${suffix:+-$suffix}.tar"
  rm -rf "$making"
}

make_busybox() {
  mkdir -p "$1/bin" "$1/tmp" "$1/etc"
  chmod 1777 "$1/tmp"
  static_busybox "$1/bin/busybox"
  local applet
  for applet in $("$1/bin/busybox" --list); do
    [ -e "$1/bin/$applet" ] || ln -s busybox "$1/bin/$applet"
  done
}

make_empty() { static_busybox "$1/true"; }

# Out of its package, not installed: it would push out the machine's own busybox.
static_busybox() {
  local package
  package=$(mktemp -d "$STATE/images/making.XXXXXX")
  ( cd "$package" && { apt_get download busybox-static || { apt_get update && apt_get download busybox-static; }; } ) ||
    fail_with_log "$STATE/apt.log" "apt-get download busybox-static failed"
  dpkg-deb --extract "$package"/busybox-static_*.deb "$package/root"
  cp "$(find "$package/root" -path '*/bin/busybox' -type f)" "$1"
  rm -rf "$package"
}

# Prints the minor version of its Python.
make_base() {
  local root=$1 mirror suite components keyring proxy log=$STATE/debootstrap.log
  read -r mirror suite components keyring <<<"$SOURCE"
  proxy=$(apt-config shell p Acquire::http::Proxy)
  eval "${proxy/#p=/export http_proxy=}"
  # the mounts that debootstrap makes end with its namespace, also when it is killed
  unshare --mount debootstrap --variant=minbase --components="$components" --include=python3,python3-pip,python3-venv,ca-certificates \
    ${keyring:+--keyring="$keyring"} "$suite" "$root" "$mirror" >"$log" 2>&1 </dev/null 9>&- || fail_with_log "$log" "debootstrap failed"
  ln -sf python3 "$root/usr/bin/python"
  rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED  # the official image's Python is not managed either
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/dev/* "$root"/etc/resolv.conf "$root"/etc/hostname
  basename "$root"/usr/bin/python3.*[0-9] | sed 's/^python//'
}

# "MIRROR SUITE COMPONENTS [KEYRING]" of this machine's own apt sources, in whichever format they are written.
debian_source() {
  local ID VERSION_CODENAME components=main source entry
  . /etc/os-release
  [ "$ID" != ubuntu ] || components=main,universe  # pip is in universe there
  source=$(apt_source "$VERSION_CODENAME")
  [ -n "$source" ] || { apt_get update || true; source=$(apt_source "$VERSION_CODENAME"); }  # apt tells of no source without lists
  [ -n "$source" ] || fail_with_log "$STATE/apt.log" "docker: apt has no source with $VERSION_CODENAME main"
  entry=${source#* }
  echo "${source%% *} $VERSION_CODENAME $components $(signed_by "${entry%:*}")"
}

# "MIRROR FILE:ENTRY" of the first source that has this suite.
apt_source() {
  apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(SOURCESENTRY)' 'Created-By: Packages' |
    sed -nE "s/^(http\S+) $1 main (.*)/\1 \2/p" | sed -n 1p
}

# The keyring a file of apt sources names, if any; debootstrap knows the distribution's own.
signed_by() { sed -nE 's/^Signed-By:\s*(\/\S+).*/\1/p; s/^deb .*signed-by=(\/[^] ]*).*/\1/p' "$1" | sed -n 1p; }
