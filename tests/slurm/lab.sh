#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lab.sh - a real Slurm on this machine, for tests: one slurmctld, several slurmd, no munge, own ports and folders
#
#   tests/slurm/lab.sh start FOLDER [NODES]     make it and wait until all nodes (n1, n2, ...) are idle
#   export SLURM_CONF=FOLDER/slurm.conf         then sbatch, squeue, scontrol talk to it
#   tests/slurm/lab.sh stop FOLDER              end every process of it
#
# auth/none trusts everybody who reaches the port: never use this configuration for anything but tests.
set -eu

free_ports() # COUNT
{
    python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

write_configuration() # FOLDER NODES
{
    local folder=$1 nodes=$2 user ports i
    user=$(id -un)
    read -r -a ports <<<"$(free_ports $((nodes + 1)))"
    # cred_expire, the scheduler's intervals: else a requeued job waits for two minutes.
    # TmpFS by node: else PMIx files of several slurmd on one host clash.
    cat >"$folder/slurm.conf" <<CONF
ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmUser=$user
SlurmdUser=$user
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
TmpFS=$folder/tmp/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmix
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MinJobAge=600
SlurmctldTimeout=30
SlurmdTimeout=10
CONF
    for ((i = 1; i <= nodes; i++)); do
        mkdir -p "$folder/spool/n$i" "$folder/tmp/n$i"
        echo "NodeName=n$i NodeHostname=localhost NodeAddr=127.0.0.1 Port=${ports[$i]} CPUs=32 RealMemory=8000 State=UNKNOWN"
    done >>"$folder/slurm.conf"
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES" >>"$folder/slurm.conf"
    echo "CgroupPlugin=cgroup/v1" >"$folder/cgroup.conf"
}

start_daemon() # FOLDER NAME COMMAND...
{
    local folder=$1 name=$2
    shift 2
    nohup "$@" </dev/null >"$folder/log/$name.out" 2>&1 &
    echo $! >"$folder/run/$name.lab"
}

start()
{
    local folder=$1 nodes=${2:-3} i
    mkdir -p "$folder/state" "$folder/run" "$folder/log"
    folder=$(cd "$folder" && pwd)
    write_configuration "$folder" "$nodes"
    export SLURM_CONF="$folder/slurm.conf"
    start_daemon "$folder" slurmctld slurmctld -D
    for ((i = 1; i <= nodes; i++)); do
        start_daemon "$folder" "slurmd-n$i" slurmd -D -N "n$i"
    done
    for ((i = 0; i < 150; i++)); do
        [ "$(sinfo -h -N -o %T 2>/dev/null | grep -cx idle)" != "$nodes" ] || return 0
        sleep 0.2
    done
    echo "lab.sh: the nodes did not come up within 30 s; logs in $folder/log" >&2
    tail -n 3 "$folder"/log/*.out "$folder"/log/*.log >&2
    stop "$folder"
    return 1
}

stop()
{
    local folder=$1 pid_file
    [ -d "$folder/run" ] || return 0
    export SLURM_CONF="$folder/slurm.conf"
    timeout 5 scancel --user "$(id -un)" 2>/dev/null || true
    for _ in $(seq 50); do # steps end before the daemons do, or their processes are left behind
        [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
        sleep 0.2
    done
    for pid_file in "$folder"/run/*.lab; do
        [ ! -e "$pid_file" ] || kill "$(cat "$pid_file")" 2>/dev/null || true
    done
    for pid_file in "$folder"/run/*.lab; do
        [ ! -e "$pid_file" ] || timeout 10 tail --pid="$(cat "$pid_file")" -f /dev/null || true
        rm -f "$pid_file"
    done
}

case ${1:-} in
start | stop) "$@" ;;
*)
    sed -n '5,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
