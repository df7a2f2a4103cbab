/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - netd on the hosts of a lab; see host.h. */

#include "cli/lab/host.h"

#include "base/clock.h"
#include "cli/lab/small_file.h"
#include "cli/lab/space.h"
#include "cli/lab/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 30000
#define LOOK_MS 10

static char *folder_of(const char *host, const char *part)
{
	return mem_printf(SPACE_RUN "/host/%s%s%s", host, *part ? "/" : "", part);
}

/* JSON is YAML, and netd reads it by the same rules. */
static int write_definitions(const struct lab_machine *host, struct vnet_error *err)
{
	static const char *const parts[] = { "", "etc", "etc/networks.d", "run", "state" };
	AUTO_FREE char *path = folder_of(host->name, "etc/networks.d/lab.yaml");
	AUTO_FREE char *text = json_dumps(host->definitions_json, JSON_COMPACT);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		AUTO_FREE char *folder = folder_of(host->name, parts[i]);

		if (mkdir(folder, 0755) < 0)
			r = -errno;
	}
	if (r == 0 && host->has_definitions)
		r = small_file_write(AT_FDCWD, path, text, strlen(text));
	return r < 0 ? vnet_error_set(err, r, "no-folder", "cannot write %s: %s", path, strerror(-r)) : 0;
}

pid_t host_start(const struct lab_machine *host, const char *netd, struct vnet_error *err)
{
	AUTO_FREE char *config = folder_of(host->name, "etc"), *run = folder_of(host->name, "run"),
		       *state = folder_of(host->name, "state"), *log = mem_printf("netd.%s", host->name);
	const char *argv[] = { netd, "--config-dir", config, "--run-dir", run, "--state-dir", state, NULL };
	int r = write_definitions(host, err);

	return r < 0 ? r : spawn(host->name, log, argv, err);
}

int host_connect(const char *host, struct vnet_client **ret, struct vnet_error *err)
{
	AUTO_FREE char *socket = folder_of(host, "run/netd.sock");

	return vnet_client_connect(socket, ret, err);
}

static const struct network *network_called(const struct lab_machine *host, const char *name)
{
	vec_each(net, &host->definitions.networks)
		if (name && strcmp((*net)->name, name) == 0)
			return *net;
	return NULL;
}

/* 0: all run; 1: one is not yet there; or why one cannot run. */
static int check_networks(const struct lab_machine *host, struct vnet_client *client, struct vnet_error *err)
{
	json_t *reply = NULL, *network;
	int r = client_call(client, "ListNetworks", NULL, &reply, err);
	size_t i;

	json_array_foreach(json_object_get(reply, "networks"), i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));
		const char *state = json_string_value(json_object_get(network, "state"));
		const char *message =
			json_string_value(json_object_get(json_object_get(network, "problem"), "message"));
		const struct network *net = network_called(host, name);

		if (r >= 0 && message)
			r = vnet_error_set(err, -EIO, "network-failed", "network %s of host %s: %s", name, host->name,
					   message);
		else if (r == 0 && net && net->autostart && state && strcmp(state, "stopped") == 0)
			r = 1;
	}
	json_decref(reply);
	return r;
}

/* A NIC that is taken over is watched first: its network runs a moment after netd answers. */
static int wait_for_networks(const struct lab_machine *host, struct vnet_client *client, int64_t deadline,
			     struct vnet_error *err)
{
	int r;

	while ((r = check_networks(host, client, err)) > 0 && clock_now_ms() < deadline)
		clock_pause_ms(LOOK_MS);
	return r > 0 ? vnet_error_set(err, -ETIMEDOUT, "timed-out", "a network of host %s does not start", host->name) :
		       r;
}

int host_wait(const struct lab_machine *host, pid_t pid, struct vnet_client **ret_client, struct vnet_error *err)
{
	AUTO_FREE char *log = mem_printf("netd.%s", host->name);
	int64_t deadline = clock_now_ms() + START_MS;
	struct vnet_client *client = NULL;

	while (host_connect(host->name, &client, NULL) < 0) {
		if (waitpid(pid, NULL, WNOHANG) == pid || clock_now_ms() > deadline) {
			AUTO_FREE char *words = spawn_last_words(log);

			return vnet_error_set(err, -EIO, "netd-failed", "netd of host %s does not start: %s",
					      host->name, words);
		}
		clock_pause_ms(LOOK_MS);
	}
	if (wait_for_networks(host, client, deadline, err) < 0) {
		vnet_client_free(client);
		return -EIO;
	}
	*ret_client = client;
	return 0;
}

/* --- ports of nodes --- */

char *host_port_name(const struct lab_machine *node, const struct lab_interface *interface)
{
	if (interface == node->interfaces.v)
		return mem_strdup(node->name);
	return mem_printf("%s-%s", node->name, interface->name);
}

static json_t *inside_of(const struct lab_interface *interface)
{
	json_t *inside = json_pack("{s:s}", "ifname", interface->name), *list = json_array();
	char buf[ADDR_TEXT_MAX];

	vec_each(address, &interface->addresses)
		json_array_append_new(list, json_string(prefix_format(address, buf)));
	json_object_set_new(inside, "addresses", list);
	list = json_array();
	vec_each(gateway, &interface->gateway)
		json_array_append_new(list, json_pack("{s:s, s:s}", "to",
						      gateway->family == AF_INET ? "0.0.0.0/0" : "::/0", "via",
						      ip_format(gateway, buf)));
	json_object_set_new(inside, "routes", list);
	return inside;
}

/* What a namespace can have of a network: a macvtap network has no bridge. */
static const char *kind_of(const struct lab_machine *host, const char *network)
{
	vec_each(net, &host->definitions.networks)
		if (strcmp((*net)->name, network) == 0 && !network_has_bridge(*net))
			return "macvlan";
	return "veth";
}

int host_attach(struct vnet_client *client, const struct lab_machine *host, const struct lab_machine *node,
		const struct lab_interface *interface, struct vnet_error *err)
{
	AUTO_FREE char *name = host_port_name(node, interface), *netns = mem_printf(SPACE_RUN "/ns/%s", node->name);
	json_t *parameters = interface->port ? json_copy(interface->port) : json_object(), *reply = NULL;
	char buf[ADDR_TEXT_MAX];
	int r;

	json_object_set_new(parameters, "network", json_string(interface->network));
	json_object_set_new(parameters, "name", json_string(name));
	json_object_set_new(parameters, "kind", json_string(kind_of(host, interface->network)));
	json_object_set_new(parameters, "netns", json_string(netns));
	json_object_set_new(parameters, "inside", inside_of(interface));
	if (interface->has_mac)
		json_object_set_new(parameters, "mac", json_string(mac_format(&interface->mac, buf)));
	r = client_call(client, "AttachPort", parameters, &reply, err);
	json_decref(parameters);
	json_decref(reply);
	if (r < 0) {
		const struct source *source = interface->port ? &interface->port_source : &interface->source;

		vnet_error_prefix(err, "%s %s on %s/%s", node->name, interface->name, interface->host,
				  interface->network);
		vnet_error_at(err, node->source.file, source->line, source->column, NULL);
	}
	return r;
}
