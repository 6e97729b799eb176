# The Slurm part: two clusters beside whatever Slurm this machine may have, which is neither used nor touched: they have ports, a munge key
# and a state of their own. A node is a slurmd with a host name, process ids and a folder $SLURM/local of its own; killing it ends its jobs, too.

readonly SLURM=$STATE/slurm
readonly MAIN_NODES=(node1 node2 node3) BARE_NODES=(bare1)
readonly HOSTS_LINE="127.0.0.1 ${MAIN_NODES[*]} ${BARE_NODES[*]} # trainconf testbed"

. "$HERE/slurm-daemons.sh"

slurm_up() {
  refuse_where_impossible
  install_slurm
  own_hosts_line
  make_folders
  write_config
  local name started=()
  for name in "${DAEMONS[@]}"; do
    ! daemon_lives "$name" || { daemon_signal CONT "$name"; continue; }
    say "slurm: starting $name"
    daemon_start "$name"
    started+=("$name")
  done
  make_accounts
  return_nodes main
  return_nodes bare
  await 60 cluster_is_whole main || fail_with_log "$SLURM/log/main-slurmctld.log" "slurm: not every node is ready: $(node_states main)"
  await 60 cluster_is_whole bare || fail_with_log "$SLURM/log/bare-slurmctld.log" "slurm: not every node is ready: $(node_states bare)"
  [ ${#started[@]} -eq 0 ] || prove_that_jobs_run
  say "$(slurm_status)"
}

slurm_down() {
  local index cluster
  for cluster in main bare; do
    ! controller_answers "$cluster" || on "$cluster" scancel --user=root || true
  done
  for ((index = ${#DAEMONS[@]} - 1; index >= 0; index--)); do
    daemon_stop "${DAEMONS[index]}"
  done
  remove_cgroups
  without_hosts_line | rewrite /etc/hosts
  say "slurm: nothing runs; accounts and job numbers wait in $SLURM"
}

slurm_status() {
  local name why=()
  for name in "${DAEMONS[@]}"; do
    if ! daemon_lives "$name" || daemon_is_paused "$name"; then why+=("$name"); fi
  done
  if [ ${#why[@]} -gt 0 ]; then
    echo "slurm: not running: ${why[*]} ($(why_not_here | grep . || echo "\`tests/testbed/up slurm\` starts it"))"
    return "$FAILED"
  fi
  for name in main bare; do
    cluster_is_whole "$name" || { echo "slurm: cluster $name: $(node_states "$name")"; return "$FAILED"; }
  done
  echo "slurm: $(on main sinfo --version), SLURM_CONF=$(conf_of main) (main: ${#MAIN_NODES[@]} nodes), SLURM_CONF=$(conf_of bare) (bare: no accounting)"
}

refuse_where_impossible() {
  local why name address
  why=$(why_not_here)
  [ -z "$why" ] || unable "slurm: $why"
  why=$(unshare --mount --pid --uts --fork true 2>&1) || unable "slurm: the kernel refuses what nodes are made of: $why"
  for name in "${MAIN_NODES[@]}" "${BARE_NODES[@]}"; do
    address=$(getent hosts "$name" | cut -d' ' -f1) || true
    [[ $address =~ ^(127\..*|::1|)$ ]] || unable "slurm: a node would be called $name, which is $address here"
  done
}

install_slurm() {
  local -A package_of=([munged]=munge [mariadbd]=mariadb-server-core [my_print_defaults]=mariadb-client-core [slurmdbd]=slurmdbd [slurmctld]=slurmctld [slurmd]=slurmd [sbatch]=slurm-client
    [mpirun.openmpi]=openmpi-bin)  # for jobs; MPICH they bring along themselves
  local command packages=()
  for command in "${!package_of[@]}"; do
    command -v "$command" >/dev/null || packages+=("${package_of[$command]}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  install_without_services "${packages[@]}"
}

# What is installed here is nobody's service: neither now nor after the next start of the machine.
install_without_services() {
  local policy=/usr/sbin/policy-rc.d made=no package
  [ -e "$policy" ] || { made=yes; printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
  install "$@"
  [ "$made" = no ] || { rm "$policy"; trap - EXIT; }
  command -v systemctl >/dev/null || return 0
  for package in "$@"; do
    dpkg --listfiles "$package" | sed -n 's,^/\(usr/\)\?lib/systemd/system/\(.*\.service\)$,\2,p' | xargs --no-run-if-empty systemctl --quiet disable
  done
}

own_hosts_line() { grep -qxF "$HOSTS_LINE" /etc/hosts || { without_hosts_line; echo "$HOSTS_LINE"; } | rewrite /etc/hosts; }
without_hosts_line() { sed '/# trainconf testbed$/d' /etc/hosts; }

# rewrite FILE: in place, as it may be a mount; by standard input, read to its end first.
rewrite() { local text; text=$(cat); printf '%s\n' "$text" >"$1"; }

make_folders() {
  mkdir -p "$SLURM"/{log,local,main/state,bare/state}
  command install --directory --owner=munge --group=munge --mode=711 "$SLURM/munge"
}

# Of this checkout, as it is now; daemons that run with another one end.
write_config() {
  local new=$SLURM/config.new name
  rm -rf "$new"
  mkdir -p "$new"/{main,bare}
  for name in main bare; do
    cat "$HERE/slurm/common.conf" "$HERE/slurm/$(way_of "$name").conf" "$HERE/slurm/$name.conf" | filled_in "$name" >"$new/$name/slurm.conf"
    sed 's/^CommunicationParameters=/&NoInAddrAny,/' "$new/$name/slurm.conf" >"$new/$name/node.conf"
  done
  cp "$HERE/slurm/gres.conf" "$HERE/slurm/cgroup.conf" "$new/main"
  ( umask 077; filled_in main <"$HERE/slurm/slurmdbd.conf" >"$new/main/slurmdbd.conf" )  # slurmdbd insists
  if diff --recursive "$new" "$SLURM/config" >/dev/null 2>&1; then
    rm -r "$new"
    return
  fi
  for name in "${DAEMONS[@]}"; do daemon_stop "$name"; done
  rm -rf "$SLURM/config"
  mv "$new" "$SLURM/config"
}

way_of() { if [ "$1" = main ] && cgroups_are_here; then echo with-cgroups; else echo without-cgroups; fi; }

cgroups_are_here() {
  local hierarchy
  for hierarchy in memory freezer; do
    [ -w "/sys/fs/cgroup/$hierarchy/cgroup.procs" ] || return
  done
}

# Those of killed nodes stay.
remove_cgroups() {
  local node
  for node in "${MAIN_NODES[@]}"; do
    find /sys/fs/cgroup -depth -path "/sys/fs/cgroup/*/slurm_$node*" -type d -delete 2>/dev/null || true  # another's may be in use
  done
}

filled_in() { sed "s,@SLURM@,$SLURM,g; s,@CLUSTER@,$1,g"; }
conf_of() { echo "$SLURM/config/$1/slurm.conf"; }

# on CLUSTER COMMAND...
on() { SLURM_CONF=$(conf_of "$1") "${@:2}"; }

# root may use two accounts; in the quality of service `few` only two jobs at a time.
make_accounts() {
  [ -z "$(on main sacctmgr --noheader --parsable2 show assoc account=research user=root format=qos | grep few)" ] || return 0
  accounting add qos few MaxSubmitJobsPerUser=2
  accounting add account research Description=research Organization=testbed
  accounting add user root account=research
  accounting modify user root set qos+=few
}

accounting() { on main sacctmgr --immediate "$@" >"$SLURM/log/sacctmgr.log" 2>&1 || fail_with_log "$SLURM/log/sacctmgr.log" "slurm: sacctmgr $*"; }

controller_answers() { on "$1" scontrol ping 2>/dev/null | grep -q ' UP'; }
node_states() { on "$1" sinfo --noheader --Node --format='%N %T' 2>&1 | sort -u | paste -sd,; }

# Those that a test drained or put down, and those that were found silent, which would come back by themselves within half a minute.
return_nodes() {
  local node
  for node in $(on "$1" sinfo --noheader --Node --states=down,drain --format=%N | sort -u); do
    on "$1" scontrol update nodename="$node" state=resume
  done
}

# A planned node is an idle one that the scheduler keeps for a job that waits.
cluster_is_whole() {
  local states ready='(idle|planned|mixed|allocated|completing)'
  states=$(node_states "$1")
  [[ $states =~ ^[a-z0-9]+\ $ready(,[a-z0-9]+\ $ready)*$ ]]
}

prove_that_jobs_run() {
  local cluster answer
  for cluster in main bare; do
    answer=$(on "$cluster" timeout 60 srun --nodes="$(nodes_of "$cluster" | wc -w)" hostname 2>"$SLURM/log/srun.log" | sort | xargs) || true
    [ "$answer" = "$(nodes_of "$cluster")" ] || fail_with_log "$SLURM/log/srun.log" "slurm: srun hostname answers '$answer' in cluster $cluster"
  done
}

nodes_of() { if [ "$1" = main ]; then echo "${MAIN_NODES[*]}"; else echo "${BARE_NODES[*]}"; fi; }
