/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_RELEASE_H
#define NETD_RELEASE_H

/*
 * release.h - gives a lease back in its guest's name
 *
 * A guest that is killed releases nothing, and its address would stay taken
 * until the lease ends.  The same messages that the guest would have sent go
 * to our own dnsmasq, over the loopback: a socket bound to the bridge reaches
 * the bridge's own address without leaving the host.
 */

#include "dhcp/leases.h"

#include <stdint.h>

#define RELEASE_SIZE_MAX 1024

/*
 * RFC 2131 DHCPRELEASE (section 4.4.6) for a lease with MAC, to the server at
 * this address.  Returns the size, or 0 for a lease that cannot be released so.
 */
size_t release_build4(const struct lease *lease, const struct ip *server, uint32_t xid,
		      uint8_t ret[RELEASE_SIZE_MAX]);
/* RFC 8415 RELEASE (section 18.2.7) for a lease with client id; server_duid as in the lease file. */
size_t release_build6(const struct lease *lease, const char *server_duid, uint32_t xid,
		      uint8_t ret[RELEASE_SIZE_MAX]);

/*
 * Sends it from the bridge to our address there.  server_duid is for IPv6.
 * Does not block.  0, or a negative errno (-EINVAL: nothing to release).
 */
int release_send(const char *bridge, const struct lease *lease, const struct ip *server,
		 const char *server_duid);
/* Such a message, to the server's DHCP port. */
int release_transmit(const char *bridge, const struct ip *server, const void *message, size_t size);

#endif
