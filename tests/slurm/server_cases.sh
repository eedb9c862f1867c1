# shellcheck shell=bash disable=SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# server_cases.sh (sourced by test_slurm.sh) - searches on model servers that are jobs, or part of the job
#
# The servers are build/tests/support/model_server: texts depend on prompt and seed, scores on the text, so the rows do not depend
# on which server answered, nor on what happened to it.

model_server=${ESP_MODEL_SERVER:-$ESP_ROOT/build/tests/support/model_server}
served_file=$ESP_ROOT/tests/slurm/served.yaml

served_alone() # the undisturbed run on servers, for comparison
{
    local folder=$lab/servers/alone kind pids=() rc
    mkdir -p "$folder"
    for kind in generate prm; do
        "$model_server" --kind vllm --serves $kind --die-with-parent >"$folder/$kind.out" &
        pids+=($!)
    done
    wait_for 20 grep -q listening "$folder/prm.out" && wait_for 20 grep -q listening "$folder/generate.out" &&
        "$ESP_PROGRAM" run "$served_file" run.output="$lab/runs/served-alone" generator.urls= prm.urls= \
            generator.url="$(sed 's/.* //' "$folder/generate.out")" prm.url="$(sed 's/.* //' "$folder/prm.out")" >"$lab/runs/served-alone.log" 2>&1
    rc=$?
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
    return $rc
}

serves() # KIND TOKEN_MS: options of serve start
{
    echo "--gpus none --host 127.0.0.1 --drain-s 1 --grace-s 2 --command '$model_server --kind vllm --serves $1 --token-ms $2 --port {port}'"
}

submit_servers() # FOLDER KIND TOKEN_MS COUNT: prints the job
{
    local words
    eval "words=($(serves "$2" "$3") --count $4)"
    [ "$2" = generate ] || words+=(--probe pooling)
    sbatch --parsable --chdir "$ESP_ROOT" --output "$lab/runs/servers-$2.log" "$ESP_ROOT/cluster/slurm/servers.sbatch" "$1" "${words[@]}"
}

has_urls() # COUNT FOLDER
{
    [ "$(find "$2" -name '*.url' 2>/dev/null | wc -l)" = "$1" ]
}

case_servers_in_the_job() # 2 generators and 1 PRM beside 3 ranks on 3 nodes
{
    local run_file=$served_file alone=$lab/runs/served-alone
    export ESP_SERVERS=$lab/servers/here ESP_GENERATOR_NODES=2 ESP_PRM_NODES=1
    ESP_GENERATOR=$(serves generate 10) ESP_PRM="$(serves prm 0) --probe pooling"
    export ESP_GENERATOR ESP_PRM
    submit served search-servers.sbatch -N 3 --ntasks-per-node=1 || return 1
    wait_for 60 has_urls 2 "$ESP_SERVERS/gen" || wrong "no 2 generators came up" || return 1
    ended_well "$job" || return 1
    said "$log" "3 ranks: 1 coordinator, 2 workers" || wrong "not on 3 ranks" || return 1
    [ "$(find "$ESP_SERVERS" -name '*.url' -o -name '*.keeper' | wc -l)" = 0 ] || wrong "servers were left behind: $(find "$ESP_SERVERS" -name '*.url')"
}

case_servers_in_a_requeued_job() # the notice before the time limit: the search drains, the servers end, both start again
{
    local run_file=$served_file alone=$lab/runs/served-alone
    export ESP_SERVERS=$lab/servers/requeued ESP_GENERATOR ESP_PRM
    ESP_GENERATOR="$(serves generate 40) --count 2" ESP_PRM="$(serves prm 0) --probe pooling"
    submit requeued search-servers.sbatch -N 1 --ntasks-per-node=3 || return 1
    wait_for 60 has_rows 3 "$output" || wrong "no rows came" || return 1
    scancel --signal=USR1 --batch "$job"
    ended_well "$job" || return 1
    [ "$(job_field "$job" Restarts)" = 1 ] || wrong "the job was not requeued" || return 1
    [ "$(grep -c 'servers answer.*requeued/gen' "$log")" = 2 ] || wrong "the servers were not started again"
}

case_servers_elsewhere() # one server job gets a notice and requeues itself, the other is cancelled and submitted again
{
    local run_file=$served_file alone=$lab/runs/served-alone gen=$lab/servers/gen prm=$lab/servers/prm generators prms
    generators=$(submit_servers "$gen" generate 40 2) && prms=$(submit_servers "$prm" prm 0 1) || return 1
    export ESP_WAIT_SERVERS="$gen:2 $prm:1"
    submit elsewhere search.sbatch --ntasks-per-node=3 -- "generator.urls='@$gen'" "prm.urls='@$prm'" || return 1
    wait_for 60 has_rows 3 "$output" || wrong "no rows came" || return 1
    scancel --signal=USR1 --batch "$generators"
    wait_for 30 has_urls 0 "$gen" || wrong "the generators were not hidden" || return 1
    scancel "$prms"
    wait_for 30 has_urls 0 "$prm" || wrong "the PRM's URL was left behind" || return 1
    [ ! -e "$output/done" ] || wrong "the search was over before its servers went away" || return 1
    prms=$(submit_servers "$prm" prm 0 1) || return 1
    ended_well "$job" || return 1
    ! said "$log" "the search is not done; again in" || wrong "the ranks were started again; a search waits for its servers" || return 1
    said "$lab/runs/servers-generate.log" "started again" && { wrong "the notice ended the servers before they had drained"; return 1; }
    [ "$(job_field "$generators" Restarts)" = 1 ] || wrong "the generators' job did not requeue itself" || return 1
    scancel "$generators" "$prms"
    wait_for 30 has_urls 0 "$gen" || wrong "the generators' URLs were left behind"
}

case_servers_that_cannot_start()
{
    local run_file=$served_file
    export ESP_GENERATOR="--gpus none --host 127.0.0.1 --restarts 0 --command false" ESP_SERVERS=$lab/servers/broken
    submit broken search-servers.sbatch || return 1
    wait_for 60 job_is_over "$job" || wrong "the job did not end" || return 1
    [ "$(job_field "$job" ExitCode)" = 3:0 ] || wrong "exit status $(job_field "$job" ExitCode), not 3" || return 1
    said "$log" "was given up: ended with status 1" || wrong "the reason is not in the log"
}
