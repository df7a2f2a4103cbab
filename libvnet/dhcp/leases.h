/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DHCP_LEASES_H
#define VNET_DHCP_LEASES_H

/*
 * leases.h - dnsmasq's lease file
 *
 * Pure.  Guests choose host names and client ids, so nothing in the file is
 * believed to be well formed: a line that does not parse is skipped.  dnsmasq
 * rewrites the file in place, so a reader may see it cut: the last line
 * without its newline is not used, and is_cut says so.
 */

#include "base/addr.h"
#include "base/mem.h"

#define LEASES_MAX_FILE_SIZE (32 * 1024 * 1024)
#define LEASE_CLIENT_ID_MAX 255 /* bytes: RFC 2132 section 9.14; a DUID has 130 at most (RFC 8415) */
#define LEASE_HOSTNAME_MAX 255

struct lease {
	struct ip address;
	bool has_mac;
	struct mac mac;         /* DHCPv6: from a DUID that holds an Ethernet address, else none */
	uint64_t expires;       /* s since the epoch; 0: never */
	char *hostname;         /* or NULL */
	char *client_id;        /* lower-case hex pairs with ':' (DHCPv6: the DUID), or NULL */
	uint32_t iaid;          /* DHCPv6 */
	bool is_temporary;      /* DHCPv6: IA_TA */
};

struct lease_file {
	VEC(struct lease) leases; /* sorted by address, no address twice */
	char *server_duid;      /* as client_id; or NULL */
	bool is_cut;
};

void lease_file_free(struct lease_file *file);
#define AUTO_LEASES __attribute__((cleanup(lease_file_free)))
void lease_file_parse(const char *text, size_t size, struct lease_file *ret);

/* NULL when there is none. */
const struct lease *lease_find(const struct lease_file *file, const struct ip *address);

/* A renewal changes expires only. */
enum lease_change { LEASE_ADDED, LEASE_REMOVED, LEASE_RENEWED };
typedef void (*lease_change_fn)(void *context, enum lease_change change, const struct lease *lease);
/*
 * Calls fn for each difference, by address; LEASE_REMOVED with the lease of
 * before.  An address that went to another client, or whose client has another
 * name now, is removed and added.  Returns how many were removed; fn may be
 * NULL to count only.
 */
size_t leases_compare(const struct lease_file *before, const struct lease_file *after,
		      lease_change_fn fn, void *context);

/* "01:52:54:00" to bytes; returns their number, 0 when it does not fit or parse. */
size_t lease_client_id_bytes(const char *client_id, uint8_t *ret, size_t size);

#endif
