/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DOCTOR_DOCTOR_H
#define VNET_DOCTOR_DOCTOR_H

/*
 * doctor.h - what else on this host stops our networks' traffic, and the remedy
 *
 * diagnose() is a pure function: facts about the host in, findings out.  It does
 * not look for names of products but sends packets through the rules as they are
 * (filter.h), those that each network needs; names only tell whose rules they are
 * and which command is the remedy.
 */

#include "doctor/filter.h"
#include "model/network.h"
#include "plan/snapshot.h"

/* ---- facts ---- */

struct doctor_network {
	const struct network *net; /* as it runs; borrowed */
	bool is_running;
	char *problem;          /* why it failed, or NULL */
	char bridge[16];
	/* Where the host's default routes lead, or the network's own uplink; "" for none. */
	char exit4[16], exit6[16];
	/* What the kernel says to a packet of a guest to the outside, and to its answer; 0 or a negative errno. */
	int out4, back4, out6, back6;
	char port[16];          /* the device of one of its ports, or "": it has none */
	unsigned bridge_ports;  /* devices on its bridge */
};

struct doctor_socket {
	uint8_t protocol;       /* IPPROTO_UDP, IPPROTO_TCP */
	struct ip address;
	uint16_t port;
	char device[16];        /* bound to it, or "" */
	char process[16];       /* or "" */
	int pid;                /* or 0 */
};
typedef VEC(struct doctor_socket) doctor_socket_vec;

/* A program that manages devices has one of ours; "": it runs, and nothing tells it to leave them alone. */
enum manager { MANAGER_NETWORKMANAGER, MANAGER_NETWORKD };
struct doctor_claim { enum manager manager; char device[16]; };

/* A file of somebody's configuration that matters: where, and what stands there. */
enum setting {
	SETTING_FORWARDING_OFF, /* sysctl.d: would switch it off again at boot, or on reload */
	SETTING_UNREAD_TABLES,  /* arptables' or ebtables' own, which nobody but they can read */
	SETTING_BRIDGE_CONF,    /* QEMU's bridge.conf lets its setuid helper onto our bridge */
};
struct doctor_setting { enum setting setting; char *where, *text; };

struct doctor_facts {
	VEC(struct doctor_network) networks;
	filter_table_vec tables; /* all but ours; both nftables' and xtables' */
	VEC(struct sysctl) sysctls; /* sorted by path */
	doctor_socket_vec sockets; /* not of netd's own dnsmasqs */
	VEC(struct doctor_claim) claims; /* managers that have a device of ours */
	VEC(struct doctor_setting) settings;
	VEC(char *) strangers;  /* "DEVICE BRIDGE": on a bridge of ours without being its port */
	VEC(char *) lacking;    /* features that the kernel lacks; a sentence each */
	unsigned default_devices4; /* interfaces with an IPv4 default route */
	bool has_dnsmasq;
};
void doctor_facts_free(struct doctor_facts *facts);
#define AUTO_FACTS __attribute__((cleanup(doctor_facts_free)))

/* Some guest's address (family 0: the network has none of this family), and one outside. */
void doctor_ends(const struct network *net, int family, struct ip *ret_guest, struct ip *ret_outside);

/* Files of others: adds what matters of them to facts, whose networks are there. */
void doctor_read_sysctl_conf(const char *path, const char *text, struct doctor_facts *facts);
void doctor_read_bridge_conf(const char *path, const char *text, struct doctor_facts *facts);
/* Some line that is no comment names devices like ours. */
bool doctor_names_our_devices(const char *text);

/* The switches that diagnose() reads; sorted, to be filled in by the caller. */
void doctor_wanted_sysctls(struct doctor_facts *facts);

/* ---- findings ---- */

enum severity {
	SEVERITY_NOTE,          /* good to know */
	SEVERITY_MAY_STOP,      /* traffic may be stopped, now or after the next event */
	SEVERITY_STOPS,
};
const char *severity_name(enum severity severity); /* "note", "may-stop", "stops" */

typedef VEC(char *) text_list;

struct finding {
	const char *id;         /* stable: "filter-forward" */
	enum severity severity;
	text_list networks;
	text_list traffic;      /* what is concerned: "guests to the outside, IPv4" */
	char *owner;            /* whose it is: "Docker"; or NULL */
	char *found;            /* what stands where */
	char *why;
	text_list remedies;     /* commands, or a sentence where there is none */
	bool can_fix;           /* `vnetctl doctor --fix` */
};
typedef VEC(struct finding) finding_vec;
void findings_free(finding_vec *findings);
#define AUTO_FINDINGS __attribute__((cleanup(findings_free)))

/* Worst first. */
void diagnose(const struct doctor_facts *facts, finding_vec *ret);

/* ---- fixes ---- */

/* A rule that lets one kind of our traffic pass in somebody's chain, tagged FILTER_TAG. */
struct fix_rule {
	enum filter_family family;
	char table[FILTER_NAME_MAX + 1], chain[FILTER_NAME_MAX + 1];
	uint64_t before;        /* the rule that would stop it; 0: at the chain's end */
	char iifname[16], oifname[16]; /* "": any */
	uint8_t l4proto;        /* 0: any */
	uint16_t dport;         /* 0: any */
};
typedef VEC(struct fix_rule) fix_rule_vec;
int fix_rule_cmp(const void *a, const void *b); /* `before` apart */

/*
 * What it takes that our networks' traffic passes where only our say is missing: a
 * policy, or a rule without conditions.  Sorted; as if none were there yet.
 */
void doctor_fixes(const struct doctor_facts *facts, fix_rule_vec *ret);
/* A rule of somebody's chain that we added: where, and which. */
struct fix_present { struct fix_rule rule; uint64_t handle; };
typedef VEC(struct fix_present) fix_present_vec;
void doctor_fixes_present(const filter_table_vec *tables, fix_present_vec *ret);
/*
 * What to add and what to take away so that exactly `wanted` are there, in places
 * where they help.  Both empty: nothing to do.
 */
void doctor_fixes_diff(const struct doctor_facts *facts, const fix_rule_vec *wanted,
		       fix_rule_vec *ret_add, fix_present_vec *ret_remove);
/* "ip filter FORWARD: iifname "vn-blue" accept". */
char *fix_rule_text(const struct fix_rule *rule);

#endif
