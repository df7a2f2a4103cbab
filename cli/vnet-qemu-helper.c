/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnet-qemu-helper.c - stands in for qemu-bridge-helper
 *
 * QEMU starts it as `PROGRAM --use-vnet --fd=N --br=BRIDGE` (with options of
 * ours when the helper= string has some: then through sh -c) and waits for a
 * TAP descriptor on the socket N.  qemu-bridge-helper needs setuid root for
 * that; this program asks netd as whoever called it.
 */

#include "cli/helper.h"

#include <errno.h>

#define PROGRAM "vnet-qemu-helper"

struct helper_options {
	const char *bridge, *network, *port, *mac, *socket;
	text_vec addresses;
	unsigned fd;
	bool use_vnet, help, version;
};

#define FIELD(member) offsetof(struct helper_options, member)
static const struct cli_option options[] = {
	{ .name = "use-vnet", .kind = OPTION_FLAG, .offset = FIELD(use_vnet),
	  .help = "make a TAP with virtio headers (QEMU's vnet_hdr)" },
	{ .name = "br", .kind = OPTION_TEXT, .offset = FIELD(bridge), .value = "NAME",
	  .may_repeat = true, .help = "a network's name, or its bridge's" },
	{ .name = "fd", .kind = OPTION_NUMBER, .offset = FIELD(fd), .value = "N", .min = 0,
	  .max = 1048576, .help = "the UNIX socket to send the descriptor to" },
	{ .name = "network", .kind = OPTION_TEXT, .offset = FIELD(network), .value = "NAME",
	  .help = "the network, whatever --br says" },
	{ .name = "port", .kind = OPTION_TEXT, .offset = FIELD(port), .value = "NAME",
	  .help = "the port's name (netd chooses one)" },
	{ .name = "mac", .kind = OPTION_TEXT, .offset = FIELD(mac), .value = "MAC",
	  .help = "the guest's address (else the first that it sends from is held)" },
	{ .name = "address", .kind = OPTION_TEXTS, .offset = FIELD(addresses), .value = "ADDRESS",
	  .help = "reserve it for the guest; may be repeated" },
	{ .name = "socket", .kind = OPTION_TEXT, .offset = FIELD(socket), .value = "PATH",
	  .help = "netd's socket" },
	{ .name = "help", .letter = 'h', .kind = OPTION_FLAG, .offset = FIELD(help),
	  .help = "print this" },
	{ .name = "version", .kind = OPTION_FLAG, .offset = FIELD(version),
	  .help = "print the version" },
	{ 0 },
};

static int attach(struct vnet_client *client, const struct helper_options *o,
		  struct vnet_port **ret, struct vnet_error *err);
static int attach_for_owner(struct vnet_client *client, struct vnet_attach_request *request,
			    struct vnet_port **ret, struct vnet_error *err);

static int serve(const struct helper_options *o, struct vnet_error *err)
{
	struct vnet_client *client = NULL;
	struct vnet_port *port = NULL;
	int r;

	/* 0 cannot be meant: it is QEMU's standard input. */
	if (!o->fd)
		return vnet_error_set(err, -EINVAL, "usage",
				      "--fd=N is missing: QEMU starts this program, see "
				      PROGRAM "(8)");
	if (!o->network && !o->bridge)
		return vnet_error_set(err, -EINVAL, "usage", "give --br=NAME or --network=NAME");
	r = helper_check_socket((int)o->fd, err);
	if (r == 0)
		r = vnet_client_connect(o->socket, &client, err);
	if (r == 0)
		r = attach(client, o, &port, err);
	if (r == 0 && (port->n_fds != 1 || strcmp(port->fds[0].role, "tap")))
		r = vnet_error_set(err, -EPROTO, "protocol-error",
				   "netd sent %zu descriptors instead of one TAP", port->n_fds);
	if (r == 0)
		r = helper_send_fd((int)o->fd, port->fds[0].fd, err);
	vnet_port_free(port);
	vnet_client_free(client);
	return r;
}

/* Mostly --br is a network's name: then that is one round trip, else two more. */
static int attach(struct vnet_client *client, const struct helper_options *o,
		  struct vnet_port **ret, struct vnet_error *err)
{
	struct vnet_attach_request request = VNET_ATTACH_REQUEST_INIT;
	AUTO_FREE char *network = NULL;
	int r;

	request.network = o->network ? o->network : o->bridge;
	request.name = o->port;
	request.mac = o->mac;
	request.learn_mac = !o->mac;
	request.addresses = o->addresses.v;
	request.n_addresses = o->addresses.n;
	request.queues = 1;
	request.vhost = VNET_OFF; /* QEMU opens its own */
	request.vnet_hdr = o->use_vnet ? VNET_ON : VNET_OFF;
	request.owner_pid = helper_socket_owner((int)o->fd);
	r = attach_for_owner(client, &request, ret, err);
	if (r != -ENOENT || o->network)
		return r;
	vnet_error_clear(err);
	r = helper_find_network(client, o->bridge, &network, err);
	if (r < 0)
		return r;
	request.network = network;
	return attach_for_owner(client, &request, ret, err);
}

/*
 * QEMU in a container has another number for itself than netd has.  A TAP does
 * not need it; a macvtap port would end with this program.
 */
static int attach_for_owner(struct vnet_client *client, struct vnet_attach_request *request,
			    struct vnet_port **ret, struct vnet_error *err)
{
	struct vnet_port *port = NULL;
	int r = vnet_client_attach(client, request, &port, err);

	if (r < 0 && request->owner_pid && !strncmp(err->code, "owner-", strlen("owner-"))) {
		vnet_error_clear(err);
		request->owner_pid = 0;
		r = vnet_client_attach(client, request, &port, err);
	}
	if (r < 0)
		return r;
	if (!request->owner_pid && !strcmp(port->kind, "macvtap")) {
		vnet_port_free(port);
		return vnet_error_set(err, -ESRCH, "owner-unknown",
				      "netd does not see the process that a port of network %s "
				      "would be for: give QEMU a TAP, or the host's processes",
				      request->network);
	}
	*ret = port;
	return 0;
}

int main(int argc, char **argv)
{
	struct helper_options o = { 0 };
	const struct option_set set = { options, &o };
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	bool has_rest;
	int status = 0;

	if (options_parse(&set, 1, argc - 1, argv + 1, false, &words, &rest, &has_rest, &err) < 0) {
		status = helper_fail(PROGRAM, &err);
	} else if (words.n || rest.n) {
		vnet_error_set(&err, -EINVAL, "usage", "'%s' is no option",
			       words.n ? words.v[0] : rest.v[0]);
		status = helper_fail(PROGRAM, &err);
	} else if (o.help) {
		puts("Usage: " PROGRAM " [options] --fd=N --br=NAME\n\n"
		     "Started by QEMU: -netdev tap,id=n0,helper=" PROGRAM "\n\nOptions:");
		options_print(options, stdout);
	} else if (o.version) {
		printf(PROGRAM " %s\n", vnet_version());
	} else if (serve(&o, &err) < 0) {
		status = helper_fail(PROGRAM, &err);
	}
	options_free(&set);
	vec_free(&words);
	vec_free(&rest);
	return status;
}
