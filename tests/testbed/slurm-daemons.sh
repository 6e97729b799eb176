# The daemons of the Slurm part, in the order in which they start. Each is found by its process id and the time at which that process began.

readonly DAEMONS=(munged mariadbd slurmdbd slurmctld bare-slurmctld "${MAIN_NODES[@]}" "${BARE_NODES[@]}")
readonly DAEMON_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# daemon_start NAME: and wait until it answers.
daemon_start() {
  case $1 in
    munged) start_munged ;;
    mariadbd) start_mariadbd ;;
    slurmdbd) launch "$1" env SLURM_CONF="$(conf_of main)" MYSQL_UNIX_PORT="$SLURM/database.socket" slurmdbd -D; answers_within 60 "$1" port_is_open 16819 ;;
    slurmctld) start_controller "$1" main ;;
    bare-slurmctld) start_controller "$1" bare ;;
    bare*) start_node "$1" bare ;;
    *) start_node "$1" main ;;
  esac
}

start_munged() {
  local folder=$SLURM/munge
  [ -s "$folder/key" ] || ( umask 077; head --bytes=128 /dev/urandom >"$folder/key.new"; chown munge:munge "$folder/key.new"; mv "$folder/key.new" "$folder/key" )
  rm -f "$folder"/socket*  # of a killed one
  launch munged setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --key-file="$folder/key" --socket="$folder/socket" --pid-file="$folder/pid" \
    --log-file="$folder/log" --seed-file="$folder/seed"
  answers_within 20 munged munge --no-input --socket="$folder/socket" --output=/dev/null
}

start_mariadbd() {
  local folder=$SLURM/database
  if [ ! -d "$folder" ]; then
    rm -rf "$folder.new"
    mariadb-install-db --no-defaults --user=root --datadir="$folder.new" --skip-test-db >"$SLURM/log/mariadb-install-db.log" 2>&1 9>&- ||
      fail_with_log "$SLURM/log/mariadb-install-db.log" "slurm: no database could be made"
    mv "$folder.new" "$folder"
  fi
  rm -f "$SLURM/database.socket"  # of a killed one
  launch mariadbd mariadbd --no-defaults --user=root --datadir="$folder" --socket="$SLURM/database.socket" --pid-file="$SLURM/database.pid" \
    --skip-networking --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=2
  answers_within 60 mariadbd test -S "$SLURM/database.socket"
}

# start_controller NAME CLUSTER: its host name decides where it listens.
start_controller() {
  launch "$1" unshare --uts sh -c 'hostname localhost && exec slurmctld -D -f "$1"' sh "$(conf_of "$2")"
  answers_within 30 "$1" controller_answers "$2"
}

# start_node NAME CLUSTER: a namespace ends with its first process, which also buries what jobs leave. The node has a configuration of its own
# at the same path, a file that is mounted over it.
start_node() {
  local conf
  conf=$(conf_of "$2")
  launch "$1" unshare --uts --pid --mount --propagation=slave --mount-proc --fork --kill-child sh -c '
    hostname "$1" && mount -t tmpfs local "$2" && mount --bind "${3%/*}/node.conf" "$3" && { slurmd -D -N "$1" -f "$3" & wait "$!"; }
  ' sh "$1" "$SLURM/local" "$conf"
  answers_within 20 "$1" port_is_open "$(sed -nE "s/^NodeName=$1 .*Port=([0-9]+).*/\1/p" "$conf")"
}

# launch NAME COMMAND...: in a session and an environment of its own.
launch() {
  local name=$1 pid
  shift
  ( cd / && exec env -i PATH="$DAEMON_PATH" setsid "$@" >"$SLURM/log/$name.out" 2>&1 </dev/null 9>&- ) &
  pid=$!
  echo "$pid $(began "$pid")" >"$SLURM/$name.running"
}

# answers_within SECONDS NAME COMMAND...
answers_within() { await "$1" settled "$2" "${@:3}" && "${@:3}" >/dev/null 2>&1 || fail_with_log "$SLURM/log/$2.out" "slurm: $2 does not answer"; }
settled() { ! daemon_lives "$1" || "${@:2}" >/dev/null 2>&1; }
port_is_open() { ( : <>/dev/tcp/127.0.0.1/"$1" ) 2>/dev/null; }

# When a process began, in ticks since the machine did; nothing for one that ended, buried or not.
began() { [ ! -r "/proc/$1/stat" ] || sed -nE 's/^.*\) [^ZX] //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f19; }

daemon_lives() {
  local pid then
  read -r pid then 2>/dev/null <"$SLURM/$1.running" && [ "$(began "$pid")" = "$then" ]
}

daemon_pid() { cut -d' ' -f1 "$SLURM/$1.running"; }

# daemon_stop NAME: as a machine goes down that has other things to do; a node at once, with what runs there.
daemon_stop() {
  daemon_lives "$1" || return 0
  case $1 in
    node* | bare1) daemon_kill "$1" ;;
    *)
      daemon_signal CONT "$1"
      daemon_signal TERM "$1"
      await 30 no daemon_lives "$1" || daemon_kill "$1"
      ;;
  esac
}

daemon_kill() {
  daemon_signal KILL "$1"
  await 10 no daemon_lives "$1" || fail "slurm: $1 does not end"
}

# daemon_signal SIGNAL NAME: of a node, only the KILL reaches more than its slurmd.
daemon_signal() {
  local pids
  pids=$(if [ "$1" = KILL ]; then daemon_pid "$2"; else answering_pids "$2"; fi)
  kill -s "$1" $pids 2>/dev/null || true  # it may have ended meanwhile
}

daemon_is_paused() {
  local pid
  for pid in $(answering_pids "$1"); do
    ! grep -qs '^State:.*stopped' "/proc/$pid/status" || return 0
  done
  return 1
}

answering_pids() {
  case $1 in
    node* | bare1) slurmd_pids "$1" ;;
    *) daemon_pid "$1" ;;
  esac
}

# Beside its own slurmd a node has, in the moment in which that starts a job, one more; another testbed's may have the same name.
slurmd_pids() {
  local pid
  for pid in $(grep --files-with-matches --no-messages --line-regexp slurmd /proc/[0-9]*/comm | cut -d/ -f3); do
    ! { grep -qszxF -e "$1" "/proc/$pid/cmdline" && grep -qszF -e "$SLURM/" "/proc/$pid/cmdline"; } || echo "$pid"
  done
}
