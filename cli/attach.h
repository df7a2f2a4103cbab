/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_ATTACH_H
#define CLI_ATTACH_H

/*
 * attach.h - the options of `run` and `port attach` that describe the port
 */

#include "cli/command.h"

struct attach_options {
	const char *name, *ifname, *mac, *vhost, *isolated;
	text_vec addresses;
	unsigned queues, mtu, txqueuelen;
	bool learn_mac, link_down;
};

/* Entries of an option table for the member `attach` of type. */
#define ATTACH_OPTION(type, field, ...) \
	{ .offset = offsetof(type, attach.field), __VA_ARGS__ }
#define ATTACH_OPTIONS(type) \
	ATTACH_OPTION(type, name, .name = "name", .letter = 'n', .kind = OPTION_TEXT, \
		      .value = "NAME", .help = "the port's name; its MAC follows from it"), \
	ATTACH_OPTION(type, mac, .name = "mac", .kind = OPTION_TEXT, .value = "MAC", \
		      .help = "the guest's MAC address"), \
	ATTACH_OPTION(type, learn_mac, .name = "learn-mac", .kind = OPTION_FLAG, \
		      .help = "hold the first MAC address that the guest sends from"), \
	ATTACH_OPTION(type, addresses, .name = "address", .kind = OPTION_TEXTS, \
		      .value = "ADDRESS", .help = "reserve it for the guest; may be repeated"), \
	ATTACH_OPTION(type, ifname, .name = "ifname", .kind = OPTION_TEXT, .value = "NAME", \
		      .help = "the TAP device's name (netd chooses one)"), \
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
	ATTACH_OPTION(type, link_down, .name = "link-down", .kind = OPTION_FLAG, \
		      .help = "leave the link down")

/* The request that the options stand for; borrows their strings. */
void attach_request_fill(const struct attach_options *options, const char *network,
			 struct vnet_attach_request *ret);

#endif
