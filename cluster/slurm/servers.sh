# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# servers.sh (sourced by the batch files) - cluster/servers/serve on the nodes of an allocation
#
#   esp_start_servers FOLDER NODES [options of serve start]   one keeper on each of the first NODES nodes (0: on all), in the background
#   esp_end_servers                                           tells all of them, and waits until they have ended
#
# May be exported before sbatch:
ESP_SERVER_SRUN=${ESP_SERVER_SRUN:-} # more options of srun for servers, such as --gres=gpu:4 or --cpus-per-task=16

ESP_SERVER_STEPS=()

esp_start_servers()
{
    local folder=$1 nodes=$2
    shift 2
    [ "$nodes" -gt 0 ] || nodes=$SLURM_JOB_NUM_NODES
    mkdir -p "$folder"
    # --overlap: they share the nodes with the ranks.  A lost node must not end the servers of the others.
    # shellcheck disable=SC2086 # several words
    srun --overlap --no-kill --kill-on-bad-exit=0 --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --input=none $ESP_SERVER_SRUN \
        "$ESP_HOME/cluster/servers/serve" start "$folder" "$@" &
    ESP_SERVER_STEPS+=($!)
}

esp_end_servers()
{
    local pid
    for pid in ${ESP_SERVER_STEPS[@]+"${ESP_SERVER_STEPS[@]}"}; do
        kill -USR2 "$pid" 2>/dev/null # srun would kill the step at SIGTERM, and leave their .url files behind
    done
    for pid in ${ESP_SERVER_STEPS[@]+"${ESP_SERVER_STEPS[@]}"}; do
        while kill -0 "$pid" 2>/dev/null; do
            wait "$pid" 2>/dev/null
        done
    done
    ESP_SERVER_STEPS=()
}
