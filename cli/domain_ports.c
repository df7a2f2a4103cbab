/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_ports.c - the calls to netd that a domain's life takes; see domain_ports.h */

#include "cli/domain_ports.h"

#include "plan/snapshot.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

/* netd marks what it makes; a bridge that was there before it has no such mark. */
static bool is_marked_bridge(const char *bridge)
{
	AUTO_FREE char *path = mem_printf("/sys/class/net/%s/ifalias", bridge);
	char alias[64] = "";
	FILE *f = strchr(bridge, '/') ? NULL : fopen(path, "re");
	bool is_ours = f && fgets(alias, sizeof(alias), f) &&
		       strncmp(alias, LINK_ALIAS_PREFIX, strlen(LINK_ALIAS_PREFIX)) == 0;

	if (f)
		fclose(f);
	return is_ours;
}

bool domain_concerns_us(const struct domain *domain)
{
	vec_each(port, &domain->ports)
		if (port->metadata || (port->bridge && is_marked_bridge(port->bridge)))
			return true;
	return false;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Is there one for the interface's device, in ListPorts' reply? */
static bool has_port(const json_t *reply, const struct domain_port *port)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(reply, "ports"), i, item)
		if (port->dev && !strcmp(text_of(item, "ifname"), port->dev))
			return true;
	return false;
}

static int attach(struct vnet_client *client, const struct domain *domain,
		  const struct domain_port *port, const char *network, bool adopts,
		  struct vnet_error *err)
{
	struct attach_options options = port->options;
	struct attach_request request;
	struct vnet_port *made = NULL;
	int r;

	options.ifname = port->dev;
	options.machine = domain->uuid;
	r = attach_request_fill(&options, network, &request, err);
	if (r == 0) {
		request.request.adopt = adopts;
		request.request.persistent = !adopts;
		request.request.vhost = VNET_OFF; /* libvirt opens its own */
		r = vnet_client_attach(client, &request.request, &made, err);
	}
	attach_request_free(&request);
	/* Closes the descriptors, too: libvirt opens the device by its name. */
	vnet_port_free(made);
	if (r < 0)
		vnet_error_prefix(err, "interface %s", port->mac);
	return r;
}

static int release(struct vnet_client *client, const struct domain *domain, struct vnet_error *err)
{
	json_t *parameters = json_pack("{s:s}", "machine", domain->uuid);
	int r = client_call(client, "DetachPorts", parameters, NULL, err);

	json_decref(parameters);
	return r;
}

int domain_release_ports(struct vnet_client *client, const struct domain *domain,
			 struct vnet_error *err)
{
	return release(client, domain, err);
}

/* The first error stays, and what was done goes. */
static int undo(struct vnet_client *client, const struct domain *domain, int r)
{
	struct vnet_error ignored = { 0 };

	if (r < 0)
		release(client, domain, &ignored);
	return r;
}

static bool is_made_by_us(const struct domain_port *port)
{
	return port->is_ours_to_make && port->metadata;
}

static int check_to_make(const struct domain_port *port, struct vnet_error *err)
{
	int r = 0;

	if (!port->network)
		r = vnet_error_set(err, -EINVAL, "domain-invalid",
				   "the metadata of interface %s does not say which network",
				   port->mac);
	else if (!port->dev)
		r = vnet_error_set(err, -EINVAL, "domain-invalid",
				   "interface %s needs a name: <target dev='NAME' managed='no'/>",
				   port->mac);
	if (r < 0)
		vnet_error_at(err, "domain", port->metadata->line, 0, NULL);
	return r;
}

/*
 * netd reads the next call when it is done with the last one and has closed its own
 * descriptors of the device: a queue that is open anywhere is busy to libvirt.
 */
static int wait_until_closed(struct vnet_client *client, struct vnet_error *err)
{
	return client_call(client, "GetInfo", NULL, NULL, err);
}

int domain_make_ports(struct vnet_client *client, const struct domain *domain,
		      struct vnet_error *err)
{
	bool any = false;
	int r = release(client, domain, err);

	vec_each(port, &domain->ports)
		if (r == 0 && is_made_by_us(port)) {
			r = check_to_make(port, err);
			if (r == 0)
				r = attach(client, domain, port, port->network, false, err);
			any = true;
		}
	if (r == 0 && any)
		r = wait_until_closed(client, err);
	return undo(client, domain, r);
}

/* ---- devices that are libvirt's ---- */

/*
 * *ret: the network whose bridge the interface is on, borrowed from networks; NULL: it
 * is none of ours, and nobody says that it should be.
 */
static int find_network(const json_t *networks, const struct domain_port *port, const char **ret,
			struct vnet_error *err)
{
	const json_t *network;
	size_t i;

	*ret = NULL;
	json_array_foreach((json_t *)networks, i, network) {
		if (strcmp(text_of(network, "bridge"), port->bridge) != 0 ||
		    (port->network && strcmp(text_of(network, "name"), port->network) != 0))
			continue;
		*ret = text_of(network, "name");
		return 0;
	}
	if (!port->metadata && !is_marked_bridge(port->bridge))
		return 0;
	vnet_error_set(err, -ENOENT, "network-unknown",
		       port->network ? "interface %s is on bridge %s, which is not that of network %s"
				     : "interface %s is on bridge %s, which is no network's that may be used here",
		       port->mac, port->bridge, port->network);
	return -ENOENT;
}

static int adopt(struct vnet_client *client, const struct domain *domain, const json_t *networks,
		 const struct domain_port *port, struct vnet_error *err)
{
	const char *network;
	int r = find_network(networks, port, &network, err);

	return r < 0 || !network ? r : attach(client, domain, port, network, true, err);
}

/* `vnetctl libvirt watch` may have been faster. */
static bool was_adopted(struct vnet_client *client, const struct domain *domain,
			const struct domain_port *port)
{
	json_t *parameters = json_pack("{s:s}", "machine", domain->uuid), *reply = NULL;
	bool is_there = client_call(client, "ListPorts", parameters, &reply, NULL) == 0 &&
			has_port(reply, port);

	json_decref(parameters);
	json_decref(reply);
	return is_there;
}

static bool is_to_adopt(const struct domain_port *port)
{
	return port->bridge && port->dev;
}

int domain_adopt_ports(struct vnet_client *client, const struct domain *domain,
		       struct vnet_error *err)
{
	json_t *networks = NULL;
	bool any = false;
	int r = 0;

	vec_each(port, &domain->ports)
		any |= is_to_adopt(port);
	if (any)
		r = client_call(client, "ListNetworks", NULL, &networks, err);
	vec_each(port, &domain->ports)
		if (r == 0 && is_to_adopt(port)) {
			r = adopt(client, domain, json_object_get(networks, "networks"), port, err);
			if (r == -EEXIST && was_adopted(client, domain, port)) {
				vnet_error_clear(err);
				r = 0;
			}
		}
	json_decref(networks);
	return undo(client, domain, r);
}

/* ---- of a domain that runs ---- */

/*
 * A device that is not there any more is a card that was just unplugged; to make it
 * again would not help the guest, which had the old one open.
 */
static int ensure(struct vnet_client *client, const struct domain *domain, const json_t *networks,
		  const struct domain_port *port, struct vnet_error *err)
{
	int r;

	if (!is_made_by_us(port))
		return adopt(client, domain, networks, port, err);
	r = check_to_make(port, err);
	return r < 0 ? r : attach(client, domain, port, port->network, true, err);
}

int domain_ensure_ports(struct vnet_client *client, const struct domain *domain,
			unsigned *ret_made, struct vnet_error *err)
{
	json_t *networks = NULL, *ports = NULL;
	int r = client_call(client, "ListPorts", NULL, &ports, err);

	if (r == 0)
		r = client_call(client, "ListNetworks", NULL, &networks, err);
	if (r == 0)
		vec_each(port, &domain->ports) {
			struct vnet_error problem = { 0 };

			if ((!is_made_by_us(port) && !is_to_adopt(port)) || has_port(ports, port) ||
			    !if_nametoindex(port->dev))
				continue;
			if (ensure(client, domain, json_object_get(networks, "networks"), port, &problem) < 0)
				r = vnet_error_set(err, problem.number, problem.code, "%s",
						   problem.message);
			else if (ret_made)
				++*ret_made;
		}
	json_decref(networks);
	json_decref(ports);
	return r;
}
