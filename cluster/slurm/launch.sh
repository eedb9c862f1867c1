# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# launch.sh (sourced by the batch files) - start the ranks until the output holds `done`
#
#   esp_search RUN.yaml [key=value ...]     calls start_ranks COMMAND... of the batch file; ends the shell
#
# Success is the marker `done` alone: mpirun's exit status proves nothing (Open MPI 5 gives 0 for a job that a lost node ended).
# Exit status: 0 done; 1 done, but at least one problem ended in an error; 2 wrong usage or run file; 3 stopped
# before the end, submit again to go on; 4 cannot go on.
#
# May be exported before sbatch:
ESP_RELAUNCHES=${ESP_RELAUNCHES:-20} # starts of the ranks in one allocation; a run that dies more often has another fault
ESP_REQUEUES=${ESP_REQUEUES:-100}    # times that the job puts itself back into the queue
ESP_DRAIN_S=${ESP_DRAIN_S:-90}       # from the signal to the end of the ranks; less than the 120 s of --signal
ESP_GRACE_S=${ESP_GRACE_S:-20}       # the launcher may take this long to end by itself when the coordinator has ended
ESP_START_S=${ESP_START_S:-1800}     # from the start of the launcher to a coordinator that holds the output's lock
ESP_WAIT_SERVERS=${ESP_WAIT_SERVERS:-} # "FOLDER:COUNT ...": the ranks start when so many servers answer
ESP_SERVERS_S=${ESP_SERVERS_S:-3600}   # and no later
# ESP_MPIRUN (another mpirun), ESP_HOME (another checkout), ESP_PROGRAM (another espalier) too.

ESP_HOME=${ESP_HOME:-$SLURM_SUBMIT_DIR}
# shellcheck source-path=SCRIPTDIR source=../local/mpi.sh
. "$ESP_HOME/cluster/local/mpi.sh"

esp_say()
{
    printf '%s espalier job %s: %s\n' "$(date +%FT%T)" "$SLURM_JOB_ID" "$*"
}

esp_find_program() # sets ESP_PROGRAM
{
    ESP_PROGRAM=${ESP_PROGRAM:-$ESP_HOME/build/espalier}
    [ -x "$ESP_PROGRAM" ] || ESP_PROGRAM=$(command -v espalier) || {
        esp_say "there is no build/espalier in $ESP_HOME and no espalier in PATH; build it with cluster/local/demo"
        exit 2
    }
}

# Nodes of the allocation that Slurm does not call lost.  Sets ESP_NODES, ESP_NODE_COUNT, ESP_TASK_COUNT and, as mpirun wants
# it, ESP_HOSTS (n1:4,n2:4); all empty when none is lost: the launcher then takes the whole allocation.
esp_choose_nodes()
{
    local node tasks lost='' up=() hosts=() total=0
    while read -r node tasks; do
        if esp_node_is_lost "$node"; then
            lost+=" $node"
            continue
        fi
        up+=("$node")
        hosts+=("$node:$tasks")
        total=$((total + tasks))
    done < <(paste -d ' ' <(scontrol show hostnames "$SLURM_JOB_NODELIST") <(esp_tasks_per_node))
    ESP_NODES='' ESP_HOSTS='' ESP_NODE_COUNT='' ESP_TASK_COUNT=''
    [ -n "$lost" ] || return 0
    esp_say "going on without the nodes that are down:$lost"
    ESP_NODES=$(IFS=,; echo "${up[*]}")
    ESP_HOSTS=$(IFS=,; echo "${hosts[*]}")
    ESP_NODE_COUNT=${#up[@]}
    ESP_TASK_COUNT=$total
}

esp_tasks_per_node() # "4(x2),3" -> 4 4 3, one a line
{
    tr ',' '\n' <<<"${SLURM_TASKS_PER_NODE:-1}" | sed 's/(x/ /; s/)//' |
        awk '{for (i = 0; i < ($2 ? $2 : 1); i++) print $1}'
}

esp_node_is_lost() # NODE
{
    case $(scontrol show node -o "$1" 2>/dev/null | sed -n 's/.* State=\([^ ]*\).*/\1/p') in
    *DOWN* | *NOT_RESPONDING* | *FAIL* | *'*'*) return 0 ;;
    *) return 1 ;;
    esac
}

esp_lock() # prints host and process of the coordinator that holds or held the output's lock
{
    head -n 1 "$ESP_OUTPUT/journal/lock" 2>/dev/null
}

# Prints alive, gone, or unknown (it runs on another node).
esp_coordinator()
{
    local host pid
    read -r host pid _ < <(esp_lock)
    if [ -n "$pid" ] && [ "$host" != "$(uname -n)" ]; then
        echo unknown
    else
        case $(ps -o stat= -p "${pid:-0}" 2>/dev/null) in '' | Z*) echo gone ;; *) echo alive ;; esac
    fi
}

esp_pause() # SECONDS; a signal ends it early
{
    sleep "$1" &
    wait $!
}

esp_end_launcher() # PID WHY
{
    local waited
    esp_say "ending the launcher: $2"
    kill -TERM "$1" 2>/dev/null
    for ((waited = 0; waited < 10; waited++)); do
        kill -0 "$1" 2>/dev/null || return 0
        esp_pause 1
    done
    kill -KILL "$1" 2>/dev/null
}

esp_watch() # PID LOCK: wait for the launcher to end; end it when it hangs.  LOCK: what esp_lock said before the start
{
    local pid=$1 before=$2 started=$SECONDS seen=no ended_at=never state why
    while kill -0 "$pid" 2>/dev/null; do
        esp_pause 1
        state=$(esp_coordinator)
        [ "$(esp_lock)" = "$before" ] || seen=yes
        [ ! -e "$ESP_OUTPUT/done" ] || state=gone
        if [ "$state" != gone ]; then
            ended_at=never
        elif [ "$seen$ended_at" = yesnever ]; then
            ended_at=$SECONDS
        fi
        why=$(esp_hangs)
        [ -z "$why" ] || esp_end_launcher "$pid" "$why"
    done
}

# Why the launcher should be ended now, or nothing; looks at the variables of esp_watch.
esp_hangs()
{
    if [ "$ended_at" != never ] && [ $((SECONDS - ended_at)) -ge "$ESP_GRACE_S" ]; then
        echo "the coordinator ended $ESP_GRACE_S s ago"
    elif [ "$ESP_STOP" != no ] && [ $((SECONDS - ESP_STOP_AT)) -ge "$ESP_DRAIN_S" ]; then
        echo "it did not drain within $ESP_DRAIN_S s"
    elif [ "$seen$state" = nogone ] && [ $((SECONDS - started)) -ge "$ESP_START_S" ]; then
        echo "no coordinator came up within $ESP_START_S s"
    fi
}

esp_on_signal() # NAME: the ranks drain; rank 0 journals and ends with status 3
{
    [ "$ESP_STOP" = no ] || return 0
    ESP_STOP=$1
    ESP_STOP_AT=$SECONDS
    esp_say "got SIG$1: the search drains"
    [ -z "$ESP_LAUNCHER" ] || kill -USR1 "$ESP_LAUNCHER" 2>/dev/null
}

esp_wait_servers() # 1: not enough of them, or a signal came
{
    local item waiter what
    for item in $ESP_WAIT_SERVERS; do # FOLDER:4 or FOLDER:nodes=2
        what=(--count "${item##*:}")
        [[ ${item##*:} != nodes=* ]] || what=(--nodes "${item##*:nodes=}")
        esp_say "waiting for the servers in ${item%:*}"
        "$ESP_HOME/cluster/servers/serve" wait "${item%:*}" "${what[@]}" --seconds "$ESP_SERVERS_S" &
        waiter=$!
        wait "$waiter" && continue
        kill "$waiter" 2>/dev/null
        return 1
    done
}

esp_launch() # RUN.yaml [key=value ...]: one start of the ranks; sets ESP_STATUS
{
    local before
    before=$(esp_lock)
    rm -f "$ESP_STATUS_FILE"
    esp_choose_nodes
    start_ranks "$ESP_PROGRAM" run --resume "$@" </dev/null &
    ESP_LAUNCHER=$!
    esp_say "started the ranks; their launcher is process $ESP_LAUNCHER"
    [ "$ESP_STOP" = no ] || kill -USR1 "$ESP_LAUNCHER"
    esp_watch "$ESP_LAUNCHER" "$before"
    wait "$ESP_LAUNCHER"
    ESP_STATUS=$?
    [ ! -s "$ESP_STATUS_FILE" ] || read -r ESP_STATUS <"$ESP_STATUS_FILE"
    rm -f "$ESP_STATUS_FILE"
    ESP_LAUNCHER=''
}

esp_end_if_done()
{
    [ -e "$ESP_OUTPUT/done" ] || return 0
    if grep -q '"finish_reason": *"error"' "$ESP_OUTPUT/answers.jsonl"; then
        esp_say "done, but at least one problem ended in an error: $ESP_OUTPUT"
        exit 1
    fi
    esp_say "done: $ESP_OUTPUT"
    exit 0
}

esp_stop_here() # the allocation ends before the search does
{
    if [ "$ESP_STOP" = USR1 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$ESP_REQUEUES" ]; then
        esp_say "not done yet: back into the queue (start $((${SLURM_RESTART_COUNT:-0} + 2)))"
        scontrol requeue "$SLURM_JOB_ID" && exit 3
        esp_say "Slurm refused to requeue this job"
    fi
    esp_say "stopped before the end; submit the same command again to go on"
    exit 3
}

esp_search() # RUN.yaml [key=value ...]
{
    local start pause=1
    ESP_STOP=no ESP_LAUNCHER=''
    trap 'esp_on_signal USR1' USR1
    trap 'esp_on_signal TERM' TERM
    esp_find_program
    # mpirun starts its daemons by srun, which would end them all when Slurm calls one node lost.
    export SLURM_NO_KILL=set
    # Rank 0 leaves its exit status there: mpirun --enable-recovery gives 0 whatever happened.
    export ESP_STATUS_FILE="$SLURM_SUBMIT_DIR/.espalier-$SLURM_JOB_ID.status"
    ESP_OUTPUT=$("$ESP_PROGRAM" check --print-output "$@") || exit 2
    esp_say "start $((${SLURM_RESTART_COUNT:-0} + 1)) on $SLURM_JOB_NODELIST; output $ESP_OUTPUT; MPI is $ESP_MPI_NAME"
    if ! esp_wait_servers; then
        [ "$ESP_STOP" = no ] || esp_stop_here
        esp_say "there are not enough servers; submit the same command again when there are"
        exit 3
    fi
    for ((start = 1; start <= ESP_RELAUNCHES; start++)); do
        esp_launch "$@"
        esp_end_if_done
        [ "$ESP_STOP" = no ] || esp_stop_here
        case $ESP_STATUS in 2 | 4) exit "$ESP_STATUS" ;; esac
        esp_say "the ranks ended (status $ESP_STATUS) and the search is not done; again in $pause s ($start of $ESP_RELAUNCHES)"
        esp_pause "$pause"
        [ "$ESP_STOP" = no ] || esp_stop_here
        pause=$((pause < 32 ? pause * 2 : 60))
    done
    esp_say "gave up after $ESP_RELAUNCHES starts; the reason stands in the lines above"
    exit 3
}
