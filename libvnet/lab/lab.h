/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_LAB_LAB_H
#define VNET_LAB_LAB_H

/*
 * lab.h - a topology of hosts, nodes and wires as its author declared it
 *
 *	title: Bridge with NAT
 *	wires: {internet: {delay: 20ms}}
 *	hosts:
 *	  h1:
 *	    interfaces: {eth0: {wire: internet, addresses: [203.0.113.2/24], gateway: [203.0.113.1]}}
 *	    networks: {blue: {subnet: 10.10.0.1/24, dhcp: true}}
 *	nodes:
 *	  a: {interfaces: {eth0: h1/blue}}
 *	  web: {interfaces: {eth0: {wire: internet, addresses: [203.0.113.1/24]}}, services: {http: [80]}}
 *	expect:
 *	  - a gets an address in 10.10.0.0/24
 *	  - http from a to web:80
 *
 * Plain data, and pure: a lab owns every string and array below it.  A machine is
 * a host, which has a netd, or a node, which has none.  What a host's networks
 * may hold is what vnet.yaml(5) says.  docs/reference-lab.md is the manual.
 */

#include "lab/expect.h"
#include "model/definitions.h"

#define LAB_NAME_MAX 32
#define LAB_MACHINE_NAME_MAX 15         /* also the host name that its DHCP client gives */
#define LAB_MACHINES_MAX 2048           /* hosts and nodes */
#define LAB_INTERFACES_MAX 64           /* of one machine */
#define LAB_WIRES_MAX 2048
#define LAB_EXPECTATIONS_MAX 2048
#define LAB_TEXT_MAX NODE_TEXT_MAX
#define LAB_COMMANDS_MAX 32             /* of one machine's `run` */

/* What a wire does to the frames of each direction; all zero: nothing.  netem's. */
struct lab_impairment {
	unsigned delay, jitter; /* us; at most 60 s */
	unsigned loss;          /* in 1/1000 %, 0..100000 */
	uint64_t rate;          /* bit/s; 0: as fast as it goes */
};
/* "{delay: 20ms, loss: 1%}" */
int lab_impairment_from_yaml(const char *text, struct lab_impairment *ret, struct vnet_error *err);
bool lab_impairment_is_set(const struct lab_impairment *impairment);
/* "delay 20ms loss 1%" or "" when nothing is set.  Free with free(). */
char *lab_impairment_text(const struct lab_impairment *impairment);

/*
 * A cable between two interfaces, or with more of them a segment: a hub that floods
 * nothing but what a switch without spanning tree would.
 */
struct lab_wire {
	struct source source;
	char *name;
	struct lab_impairment impairment;
	bool transparent;       /* a segment carries LLDP and its like too (IEEE 802.1Q, 8.6.3) */
	unsigned mtu;           /* 68..65535; 0: 1500 */
	unsigned n_ends;        /* interfaces that are on it; lab_check() counts */
};

struct lab_interface {
	struct source source;
	char name[16];
	char *wire;             /* or: */
	char *host, *network;   /* on: HOST/NETWORK */
	bool has_mac;
	struct mac mac;
	bool dhcp;              /* IPv4 by DHCP; IPv6 comes by itself where routers announce it */
	bool has_dhcp;          /* else it follows from the network */
	VEC(struct prefix) addresses;
	VEC(struct ip) gateway; /* at most one of each family */
	json_t *port;           /* further parameters of AttachPort, as io.vnet.Netd has them; or NULL */
	struct source port_source;
};

struct lab_route {
	struct source source;
	struct prefix to;
	struct ip via;
};

/* A name and the address that the node's DNS server gives for it. */
struct lab_record {
	char *name;
	struct ip address;
};

struct lab_services {
	VEC(unsigned) http, tcp, udp; /* ports; each answers with the machine's name */
	VEC(struct lab_record) dns;   /* with one of them, a DNS server on port 53 */
};

struct lab_machine {
	struct source source;
	char *name;
	bool is_host;
	VEC(struct lab_interface) interfaces; /* of a host: on wires only */
	VEC(struct lab_route) routes;
	VEC(char *) run;        /* shell commands, in order, when all interfaces are up */
	/* of a host */
	bool has_definitions;
	struct definitions definitions;
	json_t *definitions_json; /* as netd reads them */
	/* of a node */
	bool forwarding;        /* it is a router */
	struct lab_services services;
	VEC(char *) qemu;       /* a guest: QEMU's command, to which the ports are added */
};
typedef VEC(struct lab_machine *) lab_machine_vec;

struct lab {
	char *title;            /* or NULL */
	VEC(struct lab_wire *) wires;
	lab_machine_vec machines; /* hosts first, each kind in the file's order */
	expectation_vec expectations;
};

void lab_free(struct lab *lab);
DEFINE_AUTO(struct lab, lab_free);

/*
 * Reads and checks.  Every problem is an error with its place; nothing is returned from
 * a text with an error.  What is suspicious but allowed (a loop of wires without
 * spanning tree) becomes a line in *ret_warnings, which is NULL without any; free().
 */
int lab_from_yaml(const char *text, size_t size, const char *file, struct lab **ret,
		  char **ret_warnings, struct vnet_error *err);

struct lab_machine *lab_find_machine(const struct lab *lab, const char *name);
struct lab_wire *lab_find_wire(const struct lab *lab, const char *name);
/* The name of a lab itself: what name_check() takes, at most LAB_NAME_MAX. */
int lab_name_check(const char *name, struct vnet_error *err);
/* A stable MAC of its own for every interface, 02:… */
struct mac lab_mac(const char *machine, const char *interface);

#endif
