/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log_frame.c - addresses in logged frames; see log_frame.h. */

#include "dhcp/log_frame.h"

#include <arpa/inet.h>
#include <string.h>

#define ETHERNET_SIZE 14
#define IP6_SIZE 40
#define SOLICITATION_SIZE 24
#define BOOTP_SIZE 236          /* up to the magic cookie */

#define DHCP_PAD 0
#define DHCP_LEASE_TIME 51
#define DHCP_MESSAGE_TYPE 53
#define DHCP_END 255
#define DHCP_ACK 5

bool log_frame_solicited(const uint8_t *packet, size_t size, struct ip *ret)
{
	static const uint8_t unspecified[16];
	const uint8_t *icmp;

	if (size > ETHERNET_SIZE && packet[0] >> 4 != 6 && packet[12] == 0x86 && packet[13] == 0xdd) {
		packet += ETHERNET_SIZE;
		size -= ETHERNET_SIZE;
	}
	if (size < IP6_SIZE + SOLICITATION_SIZE || packet[0] >> 4 != 6 || packet[6] != IPPROTO_ICMPV6 ||
	    memcmp(packet + 8, unspecified, sizeof(unspecified)) != 0)
		return false;
	icmp = packet + IP6_SIZE;
	if (icmp[0] != 135 || icmp[1] != 0)
		return false;
	*ret = (struct ip){ .family = AF_INET6 };
	memcpy(ret->b, icmp + 8, sizeof(ret->b));
	return true;
}

static uint32_t get_be32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return ntohl(value);
}

/* The UDP payload of an IPv4 packet in one piece, to port 68; NULL: it is something else. */
static const uint8_t *to_dhcp_client(const uint8_t *packet, size_t size, size_t *ret_size)
{
	size_t header = size ? (packet[0] & 15) * 4u : 0;

	if (size < 20 || packet[0] >> 4 != 4 || header < 20 || size < header + 8 ||
	    packet[9] != IPPROTO_UDP || packet[6] & 0x3f || packet[7] ||
	    packet[header + 2] != 0 || packet[header + 3] != 68)
		return NULL;
	*ret_size = size - header - 8;
	return packet + header + 8;
}

/* Walks the options once: is it an acknowledgement, and for how long? */
static bool read_options(const uint8_t *p, size_t size, uint32_t *ret_seconds)
{
	bool is_ack = false;

	*ret_seconds = 0;
	while (size && *p != DHCP_END) {
		size_t len;

		if (*p == DHCP_PAD) {
			p++;
			size--;
			continue;
		}
		if (size < 2 || size - 2 < p[1])
			return false;
		len = p[1];
		if (p[0] == DHCP_MESSAGE_TYPE && len == 1)
			is_ack = p[2] == DHCP_ACK;
		if (p[0] == DHCP_LEASE_TIME && len == 4)
			*ret_seconds = get_be32(p + 2) == UINT32_MAX ? 0 : get_be32(p + 2);
		p += 2 + len;
		size -= 2 + len;
	}
	return is_ack;
}

bool log_frame_acknowledged(const uint8_t *packet, size_t size, struct mac *ret_mac,
			    struct ip *ret_address, uint32_t *ret_seconds)
{
	static const uint8_t cookie[4] = { 99, 130, 83, 99 };
	const uint8_t *bootp = to_dhcp_client(packet, size, &size);
	uint32_t seconds;

	/* A reply about Ethernet, 6 bytes of address. */
	if (!bootp || size < BOOTP_SIZE + sizeof(cookie) || bootp[0] != 2 || bootp[1] != 1 ||
	    bootp[2] != 6 || memcmp(bootp + BOOTP_SIZE, cookie, sizeof(cookie)) != 0 ||
	    !read_options(bootp + BOOTP_SIZE + sizeof(cookie), size - BOOTP_SIZE - sizeof(cookie),
			  &seconds))
		return false;
	*ret_address = (struct ip){ .family = AF_INET };
	memcpy(ret_address->b, bootp + 16, 4);
	memcpy(ret_mac->b, bootp + 28, 6);
	*ret_seconds = seconds;
	return true;
}
