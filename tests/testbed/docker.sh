# The Docker part: an engine that answers, and the images of docker-images.sh in it.
# An engine that answers already is used and never stopped; otherwise Debian's is installed and started, with all its state in $STATE.

readonly ENGINE_PIDFILE=$STATE/dockerd.pid
readonly ENGINE_LOG=$STATE/dockerd.log
readonly ENGINE_RUNTIME=/run/trainconf-testbed
readonly USUAL_ADDRESS=unix:///var/run/docker.sock

. "$HERE/docker-images.sh"

docker_up() {
  local started=no
  if ! engine_answers; then
    refuse_where_impossible
    install_engine
    # The package starts its service where there is an init system; one of ours that lives may be slow to answer under load.
    { [ ! -d /run/systemd/system ] && ! engine_is_ours; } || await 30 engine_answers || true
    engine_answers || { start_engine; started=yes; }
  fi
  images_up
  [ "$started" = no ] || docker run --rm "$EMPTY" >/dev/null || fail "docker: the engine answers, but runs no container"
  say "docker: $(describe_engine)"
}

docker_down() {
  if ! engine_is_ours && [ -n "$(orphans)" ] && ! engine_answers; then
    say "docker: the engine was killed; starting it once more, to end its containers"
    start_engine
  fi
  if ! engine_is_ours; then
    ! engine_answers || images_down
    say "docker: no engine of this testbed runs"
    return
  fi
  kill "$(cat "$ENGINE_PIDFILE")"
  await 60 no engine_is_ours || fail "docker: the engine does not end; its log is $ENGINE_LOG"
  say "docker: the engine is stopped; its images wait in $STATE"
}

docker_status() {
  local why not_here
  if ! engine_answers; then
    why=$(why_no_answer)
    not_here=$(why_not_here)
    echo "docker: $why (${not_here:-\`tests/testbed/up docker\` brings one up})"
    return "$FAILED"
  fi
  why=$(missing_images)
  if [ -n "$why" ]; then
    echo "docker: $(describe_engine), without the image $why (\`tests/testbed/up docker\` gets it)"
    return "$FAILED"
  fi
  echo "docker: $(describe_engine), base image $(base_image)"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# No engine, or no permission: as docker says it.
why_no_answer() {
  if ! command -v docker >/dev/null; then
    echo "there is no docker command"
  else
    { docker version --format . 2>&1 >/dev/null || true; } | tail -n 1
  fi
}

# Where the docker command looks: DOCKER_HOST, or the context in use.
engine_address() { docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || echo "${DOCKER_HOST:-$USUAL_ADDRESS}"; }

describe_engine() {
  local owner="not of this testbed"
  ! engine_is_ours || owner="started by this testbed"
  docker version --format "engine {{.Server.Version}} (API {{.Server.APIVersion}}) at $(engine_address), $owner"
}

# The process that `up` started still runs: its id may be another's by now, its command line is not.
engine_is_ours() {
  [ -r "$ENGINE_PIDFILE" ] && runs_with "$(cat "$ENGINE_PIDFILE")" "--pidfile=$ENGINE_PIDFILE"
}

# runs_with PID WORD: that process exists and has this word on its command line.
runs_with() { [ -n "$1" ] && grep -qszxF -e "$2" "/proc/$1/cmdline"; }

refuse_where_impossible() {
  local why
  why=$(why_not_here)
  [ -z "$why" ] || unable "docker: $(why_no_answer) ($why)"
  [ "$(engine_address)" = "$USUAL_ADDRESS" ] || unable "docker: no engine answers at $(engine_address), which DOCKER_HOST or the docker context names"
  why=$(unshare --mount --pid --uts --ipc --net --fork true 2>&1) || unable "docker: the kernel refuses what containers are made of: $why"
}

install_engine() {
  local packages=()
  command -v dockerd >/dev/null || packages+=(docker.io)
  command -v iptables >/dev/null || packages+=(iptables)
  [ ${#packages[@]} -eq 0 ] || install "${packages[@]}"
  command -v docker >/dev/null || install docker-cli  # a package of its own since Debian 13
}

start_engine() {
  say "docker: starting dockerd"
  forget_dead "$ENGINE_PIDFILE" "$ENGINE_RUNTIME/containerd/containerd.pid"
  : >"$ENGINE_LOG"
  ( cd / && exec setsid dockerd --pidfile="$ENGINE_PIDFILE" --data-root="$STATE/docker" --exec-root="$ENGINE_RUNTIME" \
      >>"$ENGINE_LOG" 2>&1 </dev/null 9>&- ) &
  local pid=$! refusal
  await 60 started_or_dead "$pid" || true
  engine_answers && return
  kill "$pid" 2>/dev/null || true
  refusal=$(grep -iE 'operation not permitted|permission denied|devices cgroup' "$ENGINE_LOG" | tail -n 1) || true
  [ -z "$refusal" ] || unable "docker: the kernel refuses dockerd: $refusal"
  fail_with_log "$ENGINE_LOG" "docker: dockerd does not answer"
}

started_or_dead() { engine_answers || ! lives "$1"; }

# lives PID: kill -0 would be content with a zombie; that has no command line.
lives() { grep -qsz . "/proc/$1/cmdline"; }

# forget_dead PIDFILE...: dockerd takes the zombie of a killed one for the living, where nobody is quick to bury it.
forget_dead() {
  local pidfile
  for pidfile in "$@"; do
    [ ! -r "$pidfile" ] || lives "$(cat "$pidfile")" || rm "$pidfile"
  done
}

# The guards of containers whose dockerd was killed: their ids.
orphans() { grep -lszx --regexp="$ENGINE_RUNTIME/containerd/containerd.sock" /proc/[0-9]*/cmdline | cut -d/ -f3 || true; }
