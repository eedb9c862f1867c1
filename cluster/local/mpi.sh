# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# mpi.sh (sourced) - which MPI is there, and which flags and variables it needs
#
#   esp_mpi_setup [MPIRUN]   sets ESP_MPIRUN (program), ESP_MPI (openmpi4 | openmpi5 | mpich | other),
#                            ESP_MPI_NAME (for people), ESP_MPI_FLAGS (array), and exports the variables
#   esp_mpi_local            for one machine: loopback only, more ranks than cores
#
# A variable that the user has set already is never changed: export OMPI_MCA_pml=ucx and that is used.
# The reason for each flag stands in docs/operations.md.

esp_default() # NAME VALUE: export NAME=VALUE unless NAME is set
{
    [ -n "${!1+set}" ] || export "$1=$2"
}

esp_mpi_setup()
{
    local text version
    ESP_MPIRUN=${1:-${ESP_MPIRUN:-mpirun}}
    if ! command -v "$ESP_MPIRUN" >/dev/null; then
        echo "espalier: $ESP_MPIRUN is not there; install openmpi-bin, or put the mpirun of your MPI into PATH" >&2
        return 2
    fi
    ESP_MPIRUN=$(command -v "$ESP_MPIRUN")
    text=$("$ESP_MPIRUN" --version 2>&1)
    version=$(sed -n -e 's/^mpirun (Open MPI) //p' -e 's/^ *Version: *//p' <<<"$text")
    ESP_MPI_FLAGS=()
    esp_default HWLOC_COMPONENTS -gl # hwloc's GL part tries 64 X displays over TCP at every start
    case $text in
    *"Open MPI) 4."*) esp_mpi_openmpi4 "$version" ;;
    *"Open MPI) 5."*) esp_mpi_openmpi5 "$version" ;;
    *HYDRA*)
        ESP_MPI=mpich
        ESP_MPI_NAME="MPICH $version (no fault tolerance: a lost rank ends the run; resume goes on)"
        ;;
    *)
        ESP_MPI=other
        ESP_MPI_NAME="an MPI that these scripts do not know (no flags are passed)"
        ;;
    esac
}

esp_mpi_openmpi4()
{
    ESP_MPI=openmpi4
    ESP_MPI_NAME="Open MPI $1 with --enable-recovery (a lost rank or node is noticed by heartbeats)"
    ESP_MPI_FLAGS=(--enable-recovery --bind-to none)
    esp_mpi_openmpi
    esp_default OMPI_MCA_btl self,vader,tcp
    esp_default OMPI_MCA_btl_vader_single_copy_mechanism none # copying across processes needs rights that containers lack
    esp_default OMPI_MCA_mpi_yield_when_idle 1
}

esp_mpi_openmpi5()
{
    ESP_MPI=openmpi5
    ESP_MPI_NAME="Open MPI $1 with --with-ft ulfm (a lost rank is reported by MPI; a lost node ends mpirun)"
    ESP_MPI_FLAGS=(--with-ft ulfm --bind-to none)
    esp_mpi_openmpi
    esp_default OMPI_MCA_btl self,sm,tcp # without it the search for other transports costs 1.1 s at each start
}

esp_mpi_openmpi()
{
    esp_default OMPI_MCA_pml ob1 # the one whose behaviour at faults was measured
    esp_default OMPI_ALLOW_RUN_AS_ROOT 1
    esp_default OMPI_ALLOW_RUN_AS_ROOT_CONFIRM 1
}

esp_mpi_local()
{
    case $ESP_MPI in
    openmpi4)
        ESP_MPI_FLAGS+=(--oversubscribe)
        esp_default OMPI_MCA_btl_tcp_if_include lo
        esp_default OMPI_MCA_oob_tcp_if_include lo
        command -v ssh rsh >/dev/null || esp_default OMPI_MCA_plm isolated # else mpirun ends, though it would start nobody by ssh
        ;;
    openmpi5) ESP_MPI_FLAGS+=(--oversubscribe) ;;
    esac
}
