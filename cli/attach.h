/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_ATTACH_H
#define CLI_ATTACH_H

/*
 * attach.h - the options of `run`, `port attach` and `port update` that describe the port
 *
 * Some take several keys in one value: "native=1,tagged=10,20-30".  A piece
 * without '=' goes on with the value before it.
 */

#include "cli/command.h"

/* What can change while the guest runs. */
struct setting_options {
	const char *vlan, *in, *out;
	const char *learning, *flood, *multicast_flood, *hairpin, *proxy_arp;
	const char *offload, *guard, *groups;
};

struct attach_options {
	const char *name, *ifname, *mac, *vhost, *isolated, *kind, *vf, *machine;
	text_vec addresses;
	unsigned queues, mtu, txqueuelen, owner_pid;
	bool learn_mac, link_down;
	const char *netns, *inside;
	struct setting_options settings;
};

/* Entries of an option table for the member `settings` (whose path is given) of type. */
#define SETTING_OPTION(type, path, field, ...) \
	{ .offset = offsetof(type, path.field), __VA_ARGS__ }
#define SETTING_SWITCH(type, path, field, text, what) \
	SETTING_OPTION(type, path, field, .name = text, .kind = OPTION_CHOICE, .value = "on|off", \
		       .choices = "on|off", .help = what)
#define SETTING_OPTIONS(type, path) \
	SETTING_OPTION(type, path, vlan, .name = "vlan", .kind = OPTION_TEXT, .value = "VLAN", \
		       .help = "on a VLAN-aware bridge: 10, or native=1,tagged=10,20-30"), \
	SETTING_OPTION(type, path, in, .name = "in", .kind = OPTION_TEXT, .value = "RATE", \
		       .help = "to the guest: 10mbit, or rate=R,guaranteed=R,burst=BYTES"), \
	SETTING_OPTION(type, path, out, .name = "out", .kind = OPTION_TEXT, .value = "RATE", \
		       .help = "the same from the guest"), \
	SETTING_SWITCH(type, path, learning, "learning", "the bridge learns MAC addresses here"), \
	SETTING_SWITCH(type, path, flood, "flood", "frames to unknown addresses go here too"), \
	SETTING_SWITCH(type, path, multicast_flood, "multicast-flood", \
		       "the same for multicast frames"), \
	SETTING_SWITCH(type, path, hairpin, "hairpin", "frames may leave where they came in"), \
	SETTING_SWITCH(type, path, proxy_arp, "proxy-arp", "the bridge answers ARP for the others"), \
	SETTING_OPTION(type, path, offload, .name = "offload", .kind = OPTION_TEXT, \
		       .value = "NAME=on|off,...", \
		       .help = "rx, tx, sg, tso, gso, gro, as ethtool -K has them"), \
	SETTING_OPTION(type, path, guard, .name = "guard", .kind = OPTION_TEXT, .value = "POLICY", \
		       .choices = "mac|strict|off|default", \
		       .help = "strict, mac, off or default, with allow=, addresses=, macs=, ..."), \
	SETTING_OPTION(type, path, groups, .name = "group", .kind = OPTION_TEXT, \
		       .value = "NAME,...", .completes = COMPLETE_GROUP, \
		       .help = "security groups that the port is in, or none")

/* The same for the member `attach`. */
#define ATTACH_OPTION(type, field, ...) \
	{ .offset = offsetof(type, attach.field), __VA_ARGS__ }
#define ATTACH_OPTIONS(type, kinds) \
	ATTACH_OPTION(type, name, .name = "name", .letter = 'n', .kind = OPTION_TEXT, \
		      .value = "NAME", .help = "the port's name; its MAC follows from it"), \
	ATTACH_OPTION(type, kind, .name = "kind", .kind = OPTION_CHOICE, .value = "KIND", \
		      .choices = kinds, .help = kinds " (as the network's mode)"), \
	ATTACH_OPTION(type, mac, .name = "mac", .kind = OPTION_TEXT, .value = "MAC", \
		      .help = "the guest's MAC address"), \
	ATTACH_OPTION(type, learn_mac, .name = "learn-mac", .kind = OPTION_FLAG, \
		      .help = "hold the first MAC address that the guest sends from"), \
	ATTACH_OPTION(type, addresses, .name = "address", .kind = OPTION_TEXTS, \
		      .value = "ADDRESS", .help = "reserve it for the guest; may be repeated"), \
	ATTACH_OPTION(type, ifname, .name = "ifname", .kind = OPTION_TEXT, .value = "NAME", \
		      .help = "the device's name on the host (netd chooses one)"), \
	ATTACH_OPTION(type, queues, .name = "queues", .kind = OPTION_NUMBER, .value = "N", \
		      .min = 1, .max = 64, .help = "queue pairs"), \
	ATTACH_OPTION(type, vhost, .name = "vhost", .kind = OPTION_CHOICE, .value = "MODE", \
		      .choices = "on|off|auto", .help = "on, off or auto (if the host has it)"), \
	ATTACH_OPTION(type, mtu, .name = "mtu", .kind = OPTION_NUMBER, .value = "BYTES", \
		      .min = 68, .max = 65535, .help = "MTU (the network's)"), \
	ATTACH_OPTION(type, txqueuelen, .name = "txqueuelen", .kind = OPTION_NUMBER, \
		      .value = "PACKETS", .min = 1, .max = 1000000, \
		      .help = "queue length towards the guest"), \
	ATTACH_OPTION(type, isolated, .name = "isolated", .kind = OPTION_CHOICE, \
		      .value = "on|off", .choices = "on|off", \
		      .help = "cannot talk to the network's other isolated ports"), \
	SETTING_OPTIONS(type, attach.settings), \
	ATTACH_OPTION(type, vf, .name = "vf", .kind = OPTION_TEXT, .value = "N", \
		      .help = "which virtual function (a free one)"), \
	ATTACH_OPTION(type, machine, .name = "machine", .kind = OPTION_TEXT, .value = "NAME", \
		      .help = "what it belongs to with other ports, like a UUID"), \
	ATTACH_OPTION(type, link_down, .name = "link-down", .kind = OPTION_FLAG, \
		      .help = "leave the link down")

/* A request and what its strings point into. */
struct attach_request {
	struct vnet_attach_request request;
	VEC(char *) texts;
	text_vec inside_addresses, inside_routes;
};

/* The request that the options stand for; borrows their strings.  -EINVAL "usage" when one cannot be read. */
int attach_request_fill(const struct attach_options *options, const char *network,
			struct attach_request *ret, struct vnet_error *err);
/* Of `port update`: only the settings. */
int setting_request_fill(const struct setting_options *options, struct attach_request *ret,
			 struct vnet_error *err);
/* Works on half-filled ones. */
void attach_request_free(struct attach_request *request);

#endif
