#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_slurm.sh - what cluster/slurm/*.sbatch promise, on a real Slurm (lab.sh) with a real search
#
#   tests/slurm/test_slurm.sh [CASE ...]      build/espalier must be there; ESP_PROGRAM names another
#
# shellcheck disable=SC2317 # cases are called by name
#
# Every case compares the sorted rows with those of one undisturbed process.  Last line: N passed, N failed, N skipped.
set -u
ESP_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
export ESP_PROGRAM=${ESP_PROGRAM:-$ESP_ROOT/build/espalier}
lab=$ESP_ROOT/build/slurm-lab
run_file=$ESP_ROOT/tests/slurm/slow.yaml
alone=$lab/runs/alone # the undisturbed run of that file
# shellcheck source-path=SCRIPTDIR source=server_cases.sh
. "$ESP_ROOT/tests/slurm/server_cases.sh"
passed=0 failed=0 skipped=0

# All "nodes" of the lab are this machine: they share /dev/shm, so ranks must talk over TCP, and only over loopback.
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
export ESP_GRACE_S=3 TMPDIR=$ESP_ROOT/build/tmp

wrong() # SENTENCE: why the present case fails
{
    echo "  $*"
    return 1
}

wait_for() # SECONDS COMMAND...
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

job_field() # JOB FIELD
{
    scontrol show job "$1" | sed -n "s/.*\b$2=\([^ ]*\).*/\1/p" | head -n 1
}

job_is_over()
{
    case $(job_field "$1" JobState) in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY) true ;; *) false ;; esac
}

has_rows() # COUNT OUTPUT
{
    [ -e "$2/answers.jsonl" ] && [ "$(wc -l <"$2/answers.jsonl")" -ge "$1" ]
}

said() # JOB_LOG TEXT
{
    grep -q -- "$2" "$1"
}

submit() # NAME BATCHFILE [sbatch options] [-- key=value ...]: sets job, output, log
{
    local name=$1 batch_file=$ESP_ROOT/cluster/slurm/$2 options=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    output=$lab/runs/$name log=$lab/runs/$name.log
    job=$(sbatch --parsable --chdir "$ESP_ROOT" --output "$log" "${options[@]}" "$batch_file" "$run_file" run.output="$output" "${@:2}")
}

launcher() # LOG: the launcher's process in the last start of the ranks
{
    sed -n 's/.*their launcher is process //p' "$1" | tail -n 1
}

has_variable() # PID NAME=VALUE
{
    tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF -- "$2"
} 2>/dev/null

rank_pid() # JOB RANK
{
    local pid
    for pid in $(ps -C "$(basename "$ESP_PROGRAM")" -o pid=); do
        ! has_variable "$pid" "SLURM_CONF=$SLURM_CONF" || ! has_variable "$pid" "SLURM_JOB_ID=$1" ||
            ! has_variable "$pid" "OMPI_COMM_WORLD_RANK=$2" || echo "$pid"
    done
}

rank_is_there() # JOB RANK: its process is $rank
{
    rank=$(rank_pid "$1" "$2")
    [ -n "$rank" ]
}

# Its process is looked for first, which takes a while on a busy machine: the run must not end meanwhile.
kill_rank() # JOB RANK OUTPUT: as soon as there are a few rows
{
    local rank
    wait_for 60 rank_is_there "$1" "$2" || wrong "rank $2 of job $1 was not found" || return 1
    wait_for 60 has_rows 5 "$3" || wrong "no rows came" || return 1
    kill -KILL "$rank"
}

kill_node() # NODE: its slurmd and every process that runs on it, as a power loss does
{
    local pid parent
    kill -KILL "$(cat "$lab/run/slurmd-$1.lab")"
    for pid in $(ps -e -o pid=); do
        if has_variable "$pid" "SLURM_CONF=$SLURM_CONF" && has_variable "$pid" "SLURMD_NODENAME=$1"; then
            parent=$(ps -o ppid= -p "$pid" | tr -d ' ')
            case $(ps -o comm= -p "${parent:-1}") in slurmstepd*) kill -KILL "$parent" ;; esac
            kill -KILL "$pid" 2>/dev/null
        fi
    done
}

ended_well() # JOB: exit status 0, done, and the rows of the undisturbed run
{
    local file
    wait_for "${ESP_TEST_WAIT:-120}" job_is_over "$1" || wrong "the job did not end: $(job_field "$1" JobState)" || return 1
    [ "$(job_field "$1" JobState) $(job_field "$1" ExitCode)" = "COMPLETED 0:0" ] ||
        wrong "the job ended as $(job_field "$1" JobState) $(job_field "$1" ExitCode)" || return 1
    [ -e "$output/done" ] || wrong "no done marker in $output" || return 1
    for file in answers candidates; do
        cmp -s <(sort "$alone/$file.jsonl") <(sort "$output/$file.jsonl") ||
            wrong "$file.jsonl is not that of the undisturbed run" || return 1
    done
}

case_requeue_at_the_time_limit()
{
    # One minute, and the signal 50 s before its end: Slurm gives every start 8 to 30 s.  The slower engine needs about 45 s.
    submit requeue search.sbatch -n 4 -t 1 --signal=B:USR1@50 -- generator.delay_us=180000 || return 1
    ended_well "$job" || return 1
    said "$log" "got SIGUSR1: the search drains" || wrong "the search got no signal" || return 1
    said "$log" "RUN-STOPPING" || wrong "rank 0 did not drain" || return 1
    [ "$(job_field "$job" Restarts)" -ge 1 ] || wrong "the job was never requeued"
}

case_launcher_killed()
{
    submit launcher search.sbatch -n 4 || return 1
    wait_for 60 has_rows 5 "$output" || wrong "no rows came" || return 1
    kill -KILL "$(launcher "$log")"
    ended_well "$job" || return 1
    said "$log" "the search is not done; again in" || wrong "the ranks were not started again"
}

case_coordinator_killed()
{
    submit coordinator search.sbatch -n 4 || return 1
    kill_rank "$job" 0 "$output" || return 1
    ended_well "$job" || return 1
    said "$log" "the search is not done; again in" || wrong "the ranks were not started again"
}

case_worker_killed()
{
    submit worker search.sbatch -n 4 || return 1
    kill_rank "$job" 2 "$output" || return 1
    ended_well "$job" || return 1
    ! said "$log" "the search is not done; again in" || wrong "the ranks were started again; a worker's death must not end them"
}

case_node_lost()
{
    submit node search.sbatch -N 2 -w n1,n2 --ntasks-per-node=2 || return 1
    wait_for 60 has_rows 5 "$output" || wrong "no rows came" || return 1
    kill_node n2
    ended_well "$job" || return 1
    ! said "$log" "the search is not done; again in" || wrong "the ranks were started again; Open MPI 4.1 survives a lost node"
}

case_node_and_launcher_lost() # what a lost node is to Open MPI 5
{
    submit both search.sbatch -N 2 -w n3,n4 --ntasks-per-node=2 -- generator.delay_us=80000 || return 1
    wait_for 60 has_rows 5 "$output" || wrong "no rows came" || return 1
    kill_node n4
    wait_for 60 node_is_down n4 || wrong "Slurm did not see that n4 is lost" || return 1
    kill -KILL "$(launcher "$log")"
    ended_well "$job" || return 1
    said "$log" "going on without the nodes that are down: n4" || wrong "the lost node was not left out"
}

node_is_down() # NODE
{
    scontrol show node -o "$1" | grep -q 'State=[^ ]*DOWN'
}

case_srun_variant()
{
    submit srun search-srun.sbatch -N 3 || return 1
    ended_well "$job"
}

case_bad_run_file()
{
    job=$(sbatch --parsable --chdir "$ESP_ROOT" --output "$lab/runs/bad.log" "$ESP_ROOT/cluster/slurm/search.sbatch" /nowhere.yaml) || return 1
    wait_for 60 job_is_over "$job" || wrong "the job did not end" || return 1
    [ "$(job_field "$job" ExitCode)" = 2:0 ] || wrong "exit status $(job_field "$job" ExitCode), not 2"
}

run_case() # NAME
{
    local start=$SECONDS said_here
    if said_here=$("case_$1" 2>&1); then
        echo "slurm: $1: passed ($((SECONDS - start)) s)"
    else
        printf '%s\n' "slurm: $1: FAILED ($((SECONDS - start)) s), logs in $lab/runs" "$said_here"
        return 1
    fi
}

together() # NAME...: these cases at once (their jobs mostly wait)
{
    local name processes=() process
    for name in "$@"; do
        run_case "$name" &
        processes+=($!)
    done
    for process in "${processes[@]}"; do
        if wait "$process"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    done
}

start_lab() # the lab, and the undisturbed runs in one process
{
    rm -rf "$lab"
    mkdir -p "$lab/runs" "$TMPDIR"
    trap '"$ESP_ROOT/tests/slurm/lab.sh" stop "$lab"' EXIT
    "$ESP_ROOT/tests/slurm/lab.sh" start "$lab" 4 || return 1
    export SLURM_CONF=$lab/slurm.conf
    cd "$ESP_ROOT" || return 1
    "$ESP_PROGRAM" run "$run_file" run.output="$alone" generator.delay_us=0 prm.delay_us=0 >"$lab/runs/alone.log" 2>&1 && served_alone
}

main()
{
    local quiet=(requeue_at_the_time_limit launcher_killed coordinator_killed worker_killed srun_variant bad_run_file
        servers_in_the_job servers_in_a_requeued_job servers_elsewhere servers_that_cannot_start)
    local rough=(node_lost node_and_launcher_lost) # after the others: everything on those nodes dies
    if ! command -v slurmctld slurmd sbatch srun >/dev/null; then
        echo "slurm: skipped: Slurm is not installed (Debian: slurm-wlm)"
        skipped=$((${#quiet[@]} + ${#rough[@]}))
    elif [ ! -x "$ESP_PROGRAM" ]; then
        wrong "$ESP_PROGRAM is missing" || failed=1
    elif ! start_lab; then
        wrong "the lab or the undisturbed run failed, logs in $lab" || failed=1
    elif [ $# -gt 0 ]; then
        together "$@"
    else
        together "${quiet[@]}"
        together "${rough[@]}"
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

main "$@"
