/* SPDX-License-Identifier: GPL-2.0-or-later */
/* release.c - gives a lease back in its guest's name; see release.h. */

#include "netd/release.h"

#include "netd/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- DHCPv4: RFC 2131 section 2, options RFC 2132 --- */

enum { BOOTREQUEST = 1, HTYPE_ETHERNET = 1, OPTIONS_AT = 236 };
enum { OPTION_MESSAGE_TYPE = 53, OPTION_SERVER_ID = 54, OPTION_CLIENT_ID = 61, OPTION_END = 255 };
enum { DHCPRELEASE = 7 };
#define MESSAGE4_MIN 300 /* RFC 1542 section 2.1: relays and servers may drop shorter ones */

static uint8_t *put_option4(uint8_t *p, uint8_t code, const void *value, size_t size)
{
	*p++ = code;
	*p++ = (uint8_t)size;
	memcpy(p, value, size);
	return p + size;
}

size_t release_build4(const struct lease *lease, const struct ip *server, uint32_t xid,
		      uint8_t ret[RELEASE_SIZE_MAX])
{
	static const uint8_t cookie[] = { 99, 130, 83, 99 };
	uint8_t client_id[LEASE_CLIENT_ID_MAX], *p = ret + OPTIONS_AT;
	size_t n_client_id = 0;

	if (lease->address.family != AF_INET || server->family != AF_INET || !lease->has_mac)
		return 0;
	if (lease->client_id)
		n_client_id = lease_client_id_bytes(lease->client_id, client_id,
						    sizeof(client_id));

	memset(ret, 0, RELEASE_SIZE_MAX);
	ret[0] = BOOTREQUEST;
	ret[1] = HTYPE_ETHERNET;
	ret[2] = sizeof(lease->mac.b);
	memcpy(ret + 4, &xid, sizeof(xid));
	memcpy(ret + 12, lease->address.b, 4); /* ciaddr */
	memcpy(ret + 28, lease->mac.b, sizeof(lease->mac.b));

	memcpy(p, cookie, sizeof(cookie));
	p += sizeof(cookie);
	p = put_option4(p, OPTION_MESSAGE_TYPE, &(uint8_t){ DHCPRELEASE }, 1);
	p = put_option4(p, OPTION_SERVER_ID, server->b, 4);
	if (n_client_id)
		p = put_option4(p, OPTION_CLIENT_ID, client_id, n_client_id);
	*p++ = OPTION_END;
	return p - ret < MESSAGE4_MIN ? MESSAGE4_MIN : (size_t)(p - ret);
}

/* --- DHCPv6: RFC 8415 sections 8, 21 --- */

enum { MESSAGE6_RELEASE = 8 };
enum { OPTION6_CLIENTID = 1, OPTION6_SERVERID = 2, OPTION6_IA_NA = 3, OPTION6_IA_TA = 4,
       OPTION6_IAADDR = 5, OPTION6_ELAPSED_TIME = 8 };

static uint8_t *put_u16(uint8_t *p, size_t value)
{
	*p++ = (uint8_t)(value >> 8);
	*p++ = (uint8_t)value;
	return p;
}

static uint8_t *put_option6(uint8_t *p, unsigned code, const void *value, size_t size)
{
	p = put_u16(put_u16(p, code), size);
	memcpy(p, value, size);
	return p + size;
}

/* IA_NA: IAID, T1, T2, then the address's option; IA_TA has no times. */
static uint8_t *put_ia(uint8_t *p, const struct lease *lease)
{
	uint32_t iaid = htonl(lease->iaid);
	uint8_t address[24] = { 0 }; /* lifetimes 0 */
	uint8_t ia[12 + 4 + sizeof(address)] = { 0 };
	size_t fixed = lease->is_temporary ? 4 : 12;

	memcpy(address, lease->address.b, 16);
	memcpy(ia, &iaid, 4);
	put_option6(ia + fixed, OPTION6_IAADDR, address, sizeof(address));
	return put_option6(p, lease->is_temporary ? OPTION6_IA_TA : OPTION6_IA_NA, ia,
			   fixed + 4 + sizeof(address));
}

size_t release_build6(const struct lease *lease, const char *server_duid, uint32_t xid,
		      uint8_t ret[RELEASE_SIZE_MAX])
{
	uint8_t client[LEASE_CLIENT_ID_MAX], server[LEASE_CLIENT_ID_MAX], *p = ret;
	size_t n_client, n_server;

	if (lease->address.family != AF_INET6 || !lease->client_id || !server_duid)
		return 0;
	n_client = lease_client_id_bytes(lease->client_id, client, sizeof(client));
	n_server = lease_client_id_bytes(server_duid, server, sizeof(server));
	if (!n_client || !n_server)
		return 0;

	memcpy(p, &xid, 4);
	*p = MESSAGE6_RELEASE; /* the transaction id is 24 bits */
	p += 4;
	p = put_option6(p, OPTION6_CLIENTID, client, n_client);
	p = put_option6(p, OPTION6_SERVERID, server, n_server);
	p = put_option6(p, OPTION6_ELAPSED_TIME, &(uint16_t){ 0 }, 2);
	p = put_ia(p, lease);
	return (size_t)(p - ret);
}

/* --- sending --- */

/*
 * With SO_BINDTODEVICE the route to our own address is the local one, through
 * lo, but the packet counts as received on the bridge (rt_iif), where dnsmasq
 * listens.
 */
static int send_bound(const char *bridge, const void *message, size_t size,
		      const struct sockaddr *to, socklen_t to_size)
{
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bridge, (socklen_t)strlen(bridge) + 1) < 0 ||
	    sendto(fd, message, size, 0, to, to_size) < 0)
		r = -errno;
	close(fd);
	return r;
}

int release_transmit(const char *bridge, const struct ip *server, const void *message, size_t size)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(67) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(547) };

	if (server->family == AF_INET) {
		memcpy(&to4.sin_addr, server->b, 4);
		return send_bound(bridge, message, size, (struct sockaddr *)&to4, sizeof(to4));
	}
	memcpy(&to6.sin6_addr, server->b, 16);
	to6.sin6_scope_id = ip_is_link_local(server) ? if_nametoindex(bridge) : 0;
	return send_bound(bridge, message, size, (struct sockaddr *)&to6, sizeof(to6));
}

int release_send(const char *bridge, const struct lease *lease, const struct ip *server,
		 const char *server_duid)
{
	uint8_t message[RELEASE_SIZE_MAX];
	uint32_t xid = 0;
	size_t size;

	if (getrandom(&xid, sizeof(xid), GRND_NONBLOCK) < 0)
		xid = (uint32_t)getpid();
	size = lease->address.family == AF_INET ? release_build4(lease, server, xid, message) :
						  release_build6(lease, server_duid, xid, message);
	return size ? broker_release(bridge, server, message, size) : -EINVAL;
}
