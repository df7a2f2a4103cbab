/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DHCP_CONF_H
#define VNET_DHCP_CONF_H

/*
 * conf.h - a network's definition as the files that its dnsmasq reads
 *
 * Pure: values in, texts out.  Five files, because dnsmasq re-reads four of
 * them on SIGHUP and the fifth only at start: whatever may change often lives
 * in the four.  docs/dhcp-dns.md gives the reasons for each default.
 */

#include "model/network.h"
#include "model/port.h"

enum dhcp_file {
	DHCP_FILE_CONF,    /* --conf-file: what only a restart changes */
	DHCP_FILE_HOSTS,   /* dhcp-hostsfile: reserved addresses */
	DHCP_FILE_OPTIONS, /* dhcp-optsfile: DHCP options that are sent when asked for */
	DHCP_FILE_RECORDS, /* addn-hosts: names and addresses */
	DHCP_FILE_SERVERS, /* servers-file: whom DNS asks for what it does not know */
	DHCP_N_FILES,
};
/* The name of the file within the network's directory: "dnsmasq.conf", "hosts", ... */
const char *dhcp_file_name(enum dhcp_file file);

struct dhcp_files {
	char *text[DHCP_N_FILES]; /* NULL while not made; may be "" */
};
void dhcp_files_free(struct dhcp_files *files);
#define AUTO_DHCP_FILES __attribute__((cleanup(dhcp_files_free)))

#define DHCP_RESOLVERS_MAX 16
typedef VEC(char *) dhcp_resolver_vec; /* "192.0.2.1", "fe80::1%eth0" */
void dhcp_resolvers_free(dhcp_resolver_vec *resolvers);
/* The `nameserver` lines of resolv.conf(5); what is not an address is skipped. */
void dhcp_resolvers_parse(const char *text, size_t size, dhcp_resolver_vec *ret);

/* What dnsmasq needs to know beside the definition.  Nothing is owned. */
struct dhcp_params {
	int ifindex;            /* of the bridge: its DHCP socket is bound to that number, so
				   a bridge made anew needs a restart; 0: does not exist yet */
	const char *dir;        /* holds the files by their names, and "pid" */
	const char *lease_file;
	const char *log_file;   /* NULL: syslog */
	unsigned egress_hold;   /* s that an answer for a name of `egress` is good; 0: EGRESS_HOLD */
	const dhcp_resolver_vec *resolvers; /* the host's, for use_host_resolvers; NULL: none */
};

/*
 * The files of a network which wants dnsmasq (network_wants_dnsmasq()) and has
 * these ports.  net->bridge.mtu is the MTU in force: where links decide it, net
 * is a copy with what the planner found.  Guests learn it by option 26; router
 * advertisements need nothing here, for dnsmasq puts the bridge's own MTU there.
 *  ports may belong to other networks too; those are skipped.
 * The order of ports does not matter.  -EINVAL with the place in the
 * definition for what dnsmasq cannot express; *ret is untouched then.
 */
int dhcp_files_make(const struct network *net, const struct port *const *ports, size_t n_ports,
		    const struct dhcp_params *params, struct dhcp_files *ret,
		    struct vnet_error *err);

enum dhcp_change { DHCP_SAME, DHCP_RELOAD, DHCP_RESTART };
/* What a running dnsmasq needs to get from one set of files to the other. */
enum dhcp_change dhcp_files_compare(const struct dhcp_files *before, const struct dhcp_files *after);

/*
 * All of it as one configuration, for `dnsmasq --test`: at its start dnsmasq
 * skips what it does not like in the other files, and only the log knows.
 */
char *dhcp_files_test_text(const struct dhcp_files *files);

/* The address ranges that are handed out, without our own addresses. */
typedef VEC(struct ip_range) ip_range_vec;
void dhcp_ranges(const struct network *net, int family, ip_range_vec *ret);

#endif
