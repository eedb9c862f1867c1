/* SPDX-License-Identifier: Apache-2.0 */

/* doorbell.c - a UDP socket that keeps few datagrams */

#include "proto/link/doorbell.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes the kernel keeps for a rank that is busy elsewhere; all rings together say one thing, so the fewer the
 * better.  The kernel raises it to its minimum (2,304 on Linux, some rings). */
enum { KEEP_BYTES = 1 };

/* Rings taken in one drain: above what KEEP_BYTES lets pile up; a flood cannot hold the loop. */
enum { DRAIN_MAX = 64 };

static bool
leads_nowhere (const char *name) /* bridges inside the host: other hosts have the same address */
{
    static const char *const prefixes[] = {"docker", "br-", "virbr", "veth",
                                           "lxc",    "cni", "podman"};
    for (size_t i = 0; i < sizeof (prefixes) / sizeof (prefixes[0]); i++)
        if (strncmp (name, prefixes[i], strlen (prefixes[i])) == 0)
            return true;
    return false;
}

static uint32_t address_of (const struct ifaddrs *i)
{
    struct sockaddr_in in;
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
        (i->ifa_flags & IFF_LOOPBACK))
        return 0;
    memcpy (&in, i->ifa_addr, sizeof (in));
    return in.sin_addr.s_addr;
}

static uint32_t find_address (void)
{
    const char *wanted = getenv ("ESP_DOORBELL_IF");
    struct ifaddrs *all;
    uint32_t best = 0, last = 0;
    if (getifaddrs (&all))
        return 0;
    for (struct ifaddrs *i = all; i && !best; i = i->ifa_next) {
        uint32_t ip = address_of (i);
        if (ip && (wanted ? strcmp (i->ifa_name, wanted) == 0 : !leads_nowhere (i->ifa_name)))
            best = ip;
        else if (ip && !wanted && !last)
            last = ip;
    }
    freeifaddrs (all);
    return best ? best : last;
}

esp_err doorbell_open (bool one_host, int *out, doorbell_address *mine)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof (at);
    uint32_t ip = one_host ? htonl (INADDR_LOOPBACK) : find_address ();
    int keep = KEEP_BYTES;
    int fd = ip ? socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return ESP_EIO;
    at.sin_addr.s_addr = one_host ? ip : htonl (INADDR_ANY);
    if (setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &keep, sizeof (keep)) ||
        bind (fd, (struct sockaddr *)&at, len) || getsockname (fd, (struct sockaddr *)&at, &len)) {
        close (fd);
        return ESP_EIO;
    }
    *out = fd;
    *mine = (doorbell_address){ip, at.sin_port, 0};
    return ESP_OK;
}

void doorbell_close (int fd)
{
    if (fd >= 0)
        close (fd);
}

void doorbell_ring (int fd, doorbell_address peer)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = peer.port};
    to.sin_addr.s_addr = peer.ip;
    if (fd >= 0 && peer.ip &&
        sendto (fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof (to)) < 0) {
        /* lost, e.g. a full queue or an ICMP refusal of the ring before: the peer looks at MPI by itself in time */
    }
}

bool doorbell_drain (int fd)
{
    char byte;
    int taken = 0;
    while (fd >= 0 && taken < DRAIN_MAX && recv (fd, &byte, 1, MSG_DONTWAIT) >= 0)
        taken++;
    return taken > 0;
}
