/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DOCTOR_CHECK_H
#define VNET_DOCTOR_CHECK_H

/* check.h - what the files of diagnose() share; private to doctor/ */

#include "doctor/doctor.h"

/* Each adds what it finds. */
void check_filters(const struct doctor_facts *facts, finding_vec *ret);
void check_host(const struct doctor_facts *facts, finding_vec *ret);

/* A new finding; found and why are printed by the caller. */
struct finding *finding_add(finding_vec *ret, const char *id, enum severity severity);
/* Each once, in the order of the first. */
void text_list_add(text_list *list, const char *text);
void finding_remedy(struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int64_t doctor_sysctl(const struct doctor_facts *facts, int64_t otherwise, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- probe.c: the packets that a network needs ---- */

enum probe_kind {
	PROBE_OUT,              /* a guest's connection to the outside */
	PROBE_ANSWER,           /* what comes back to it */
	PROBE_IN,               /* a connection from outside to a guest */
	PROBE_FORWARD,          /* the same through a port forward */
	PROBE_BRIDGED,          /* between guests, where br_netfilter sends frames through IP rules */
	PROBE_DHCP, PROBE_DHCP6, PROBE_DNS, PROBE_ROUTER, /* guests to the host's services */
	PROBE_HOST,             /* the host to a guest: DHCP's answers among it */
	PROBE_VXLAN, PROBE_GRE, /* links to other hosts */
	/* Frames of guests to each other, to the host, and the host's to them. */
	PROBE_FRAME, PROBE_FRAME_IN, PROBE_FRAME_OUT,
	PROBES
};

struct probe {
	enum probe_kind kind;
	struct packet packet;
	/* The rule that would let it pass, where and before what is not said. */
	struct fix_rule pass;
};
typedef VEC(struct probe) probe_vec;
void network_probes(const struct doctor_facts *facts, const struct doctor_network *network,
		    probe_vec *ret);
/* "guests to the outside, IPv4". */
char *probe_text(const struct probe *probe);

/* ---- owner.c: whose rules ---- */

enum owner_kind {
	OWNER_NFT, OWNER_IPTABLES, OWNER_EBTABLES, OWNER_DOCKER, OWNER_FIREWALLD, OWNER_UFW, OWNER_LIBVIRT,
	OWNER_KUBE, OWNER_CALICO, OWNER_CNI, OWNER_PODMAN, OWNER_TAILSCALE, OWNER_FAIL2BAN, OWNERS
};
const char *owner_name(enum owner_kind owner);
/* Of a table (chain NULL: its policies), or of one chain in it. */
enum owner_kind filter_owner(const struct filter_table *table, const struct filter_chain *chain);
/* All that have chains in the table, for a text: "Docker, ufw". */
char *filter_owners_text(const struct filter_table *table, const struct filter_chain *chain);
/* The commands by which that firewall is told itself; when all are, owner_finish(). */
void owner_remedy(struct finding *finding, enum owner_kind owner, const struct filter_table *table,
		  const struct filter_chain *chain, const struct probe *probe);
void owner_finish(struct finding *finding);
/* May we put rules into its chains? */
bool owner_takes_fixes(enum owner_kind owner);

#endif
