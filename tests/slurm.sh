#!/bin/sh
# A Slurm cluster of one node for tests: munged, slurmctld and slurmd, all of it in one folder and
# with two processors, whatever the machine has.
# usage: slurm.sh FOLDER PORT PORT
# Says "ready" when the node takes jobs (FOLDER/slurm.conf is for SLURM_CONF), or why it does not. It
# runs until its standard input ends: so nothing outlives the test, however that ends. Then the jobs
# and the daemons are ended, and the folder is removed.
folder=$1
pids=
export SLURM_CONF="$folder/slurm.conf"

stop() {
    trap '' TERM INT HUP
    # Jobs are no children of ours, nor do they end with their node's daemon.
    scancel --quiet --user=root 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.2
    done
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null
    wait
    rm -rf "$folder"
}

fail() {
    echo "slurm.sh: $1"
    tail -n 5 "$folder"/*.log 2>/dev/null
    stop
    exit 1
}

# wait_for PROCESS COMMAND...: until the command succeeds, or fails when the process has ended.
wait_for() {
    process=$1
    shift
    while kill -0 "$process" 2>/dev/null; do
        "$@" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}
is_idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }

mkdir -p "$folder/state" "$folder/spool" || exit 1
chmod 755 "$folder" # munged wants its socket to be within reach
trap 'stop; exit 1' TERM INT HUP
head -c 64 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
# cred_expire: a job that was put back into the queue stays there at least so long; 5 s is the least.
cat >"$SLURM_CONF" <<END
ClusterName=mudepth
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$2
SlurmdPort=$3
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
KillWait=600
NodeName=node NodeHostname=$(hostname) NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes=ALL Default=YES
END

# In the foreground, as our children, they end when we say so. Nothing of ours is kept open by them.
munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.sock" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
    --seed-file="$folder/munged.seed" >"$folder/munged.out.log" 2>&1 </dev/null &
pids=$!
wait_for "$pids" test -S "$folder/munge.sock" || fail "munged does not start"
slurmctld -D -f "$SLURM_CONF" >"$folder/slurmctld.out.log" 2>&1 </dev/null &
pids="$pids $!"
slurmd -D -N node -f "$SLURM_CONF" >"$folder/slurmd.out.log" 2>&1 </dev/null &
slurmd=$!
pids="$pids $slurmd"
wait_for "$slurmd" is_idle || fail "the node does not become idle"
echo ready
cat >/dev/null
stop
