# What every part of the testbed shares: where it keeps its state, how it talks, its lock, and apt.
# Sourced by up, down and status. A part is a file <part>.sh with the functions <part>_up, <part>_down and <part>_status.

shopt -s inherit_errexit
umask 022  # also what goes into an image is for everybody to read

readonly HERE=$(dirname "${BASH_SOURCE[0]}")
readonly STATE=/var/lib/trainconf-testbed
readonly PARTS=(docker slurm browser)

readonly FAILED=1 USAGE=2 UNABLE=3  # UNABLE: nothing went wrong, this machine or user cannot have it

say() { printf 'testbed: %s\n' "$*" >&2; }
fail() { say "$*"; exit "$FAILED"; }
unable() { say "$*"; exit "$UNABLE"; }

# fail_with_log LOG WORDS...: the words, then the end of the log.
fail_with_log() {
  local log=$1
  shift
  say "$*; the end of $log:"
  tail -n 15 "$log" | sed 's/^/  /' >&2
  exit "$FAILED"
}

# for_parts VERB [PART...]: do it for the named parts, or for all; the worst exit code is the answer.
for_parts() {
  local verb=$1 part answer code=0
  shift
  [ $# -gt 0 ] || set -- "${PARTS[@]}"
  for part in "$@"; do
    [[ " ${PARTS[*]} " == *" $part "* ]] || { say "no part is called '$part'; there is: ${PARTS[*]}"; exit "$USAGE"; }
  done
  for part in "$@"; do
    set +e  # bash forgets `set -e` within whatever stands before a ||
    ( set -e; . "$HERE/$part.sh"; "${part}_$verb" )
    answer=$?
    set -e
    [ "$code" -ge "$answer" ] || code=$answer
  done
  return "$code"
}

# One at a time. The lock ends with this process: what it starts for good must be given 9>&-.
take_turn() {
  [ "$(id -u)" = 0 ] || return 0  # changes nothing that a lock in $STATE would guard
  mkdir -p "$STATE"
  exec 9>"$STATE/lock"
  flock --nonblock 9 || { say "another set-up is under way; waiting for it"; flock 9; }
}

# Why this machine cannot be set up; nothing when it can.
why_not_here() {
  local ID="" PRETTY_NAME=""
  if [ -r /etc/os-release ]; then . /etc/os-release; fi
  case $ID in
    debian | ubuntu) ;;
    *) echo "it is set up on Debian and Ubuntu only, and this is ${PRETTY_NAME:-$(uname -s)}"; return ;;
  esac
  [ "$(id -u)" = 0 ] || echo "setting it up needs root"
}

# install PACKAGE...: with a look at the mirror when the lists are empty or too old for it.
install() {
  say "installing $*"
  apt_get install "$@" || { apt_get update && apt_get install "$@"; } || fail_with_log "$STATE/apt.log" "apt-get install $* failed"
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 --yes --no-install-recommends "$@" >>"$STATE/apt.log" 2>&1 </dev/null 9>&-
}

no() { ! "$@"; }

# await SECONDS COMMAND...: until it is so; false when it is not within that time.
await() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}
