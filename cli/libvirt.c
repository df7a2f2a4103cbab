/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt.c - libvirt's list of networks, by its library; see libvirt.h */

#include "cli/libvirt.h"

#include "cli/domain.h"
#include "cli/xml.h"

#include <dlfcn.h>
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define LIBRARY "libvirt.so.0"

/* The functions that are used, with the types of libvirt's own header. */
#define FUNCTIONS(X) \
	X(virConnectOpen) X(virConnectClose) X(virSetErrorFunc) X(virGetLastErrorMessage) \
	X(virConnectListAllNetworks) X(virNetworkLookupByName) X(virNetworkFree) \
	X(virNetworkGetName) X(virNetworkGetXMLDesc) \
	X(virNetworkIsActive) X(virNetworkSetAutostart) X(virNetworkDefineXML) \
	X(virNetworkCreate) X(virNetworkDestroy) X(virNetworkUndefine)

struct libvirt {
	void *library;
	virConnectPtr connection;
#define X(function) typeof(&(function)) function;
	FUNCTIONS(X)
#undef X
};

static const struct { const char *name; size_t offset; } functions[] = {
#define X(function) { #function, offsetof(struct libvirt, function) },
	FUNCTIONS(X)
#undef X
};

/* It prints errors where nobody asked for them. */
static void say_nothing(void *context, virErrorPtr error)
{
	(void)context;
	(void)error;
}

static int fail(const struct libvirt *l, const char *what, struct vnet_error *err)
{
	return vnet_error_set(err, -EIO, "libvirt", "libvirt: %s: %s", what, l->virGetLastErrorMessage());
}

static int load(struct libvirt *l, struct vnet_error *err)
{
	l->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!l->library)
		return vnet_error_set(err, -ENOENT, "no-libvirt",
				      "libvirt's library %s is not on this host (Debian's package: libvirt0)",
				      LIBRARY);
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(l->library, functions[i].name);

		if (!function)
			return vnet_error_set(err, -ENOSYS, "no-libvirt", "%s lacks %s", LIBRARY,
					      functions[i].name);
		memcpy((char *)l + functions[i].offset, &function, sizeof(function));
	}
	l->virSetErrorFunc(NULL, say_nothing);
	return 0;
}

int libvirt_connect(const char *uri, struct libvirt **ret, struct vnet_error *err)
{
	struct libvirt *l = mem_alloc(sizeof(*l));
	int r = load(l, err);

	if (r == 0) {
		l->connection = l->virConnectOpen(uri);
		if (!l->connection)
			r = fail(l, uri, err);
	}
	if (r == 0)
		*ret = l;
	else
		libvirt_free(l);
	return r;
}

void libvirt_free(struct libvirt *l)
{
	if (!l)
		return;
	if (l->connection)
		l->virConnectClose(l->connection);
	/* Not unloaded: it has threads and handlers of its own. */
	free(l);
}

/* ---- list ---- */

static bool is_ours(const struct xml_element *network)
{
	vec_each(child, &network->children)
		if (!(*child)->ns && !strcmp((*child)->name, "metadata"))
			vec_each(item, &(*child)->children)
				if ((*item)->ns && !strcmp((*item)->ns, DOMAIN_METADATA_NS))
					return true;
	return false;
}

static int describe(const struct libvirt *l, virNetworkPtr network, struct libvirt_network *ret,
		    struct vnet_error *err)
{
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_FREE char *xml = l->virNetworkGetXMLDesc(network, 0);
	const char *bridge;
	int r;

	if (!xml)
		return fail(l, "a network's XML", err);
	r = xml_read(xml, strlen(xml), NULL, &root, err);
	if (r < 0)
		return r;
	bridge = element_attribute(element_child(root, "bridge"), "name");
	*ret = (struct libvirt_network){
		.name = mem_strdup(l->virNetworkGetName(network)),
		.bridge = mem_strdup(bridge ? bridge : ""), .is_ours = is_ours(root),
		.is_active = l->virNetworkIsActive(network) == 1,
	};
	return 0;
}

int libvirt_list(struct libvirt *l, libvirt_network_vec *ret, struct vnet_error *err)
{
	virNetworkPtr *networks = NULL;
	int n = l->virConnectListAllNetworks(l->connection, &networks, 0);

	if (n < 0)
		return fail(l, "list of networks", err);
	for (int i = 0; i < n; i++) {
		struct vnet_error problem = { 0 };
		struct libvirt_network one;

		/* One that went away in this moment is none any more; what cannot be read is not ours. */
		if (describe(l, networks[i], &one, &problem) == 0)
			vec_push(ret, one);
		l->virNetworkFree(networks[i]);
	}
	free(networks);
	return 0;
}

void libvirt_list_free(libvirt_network_vec *networks)
{
	vec_each(network, networks) {
		free(network->name);
		free(network->bridge);
	}
	vec_free(networks);
}

/* ---- change ---- */

int libvirt_publish(struct libvirt *l, const char *name, const char *bridge, struct vnet_error *err)
{
	/* Names of networks and bridges hold nothing that XML would take amiss. */
	AUTO_FREE char *xml = mem_printf("<network><name>%s</name><metadata>"
					 "<vnet:network xmlns:vnet='" DOMAIN_METADATA_NS "'/></metadata>"
					 "<forward mode='bridge'/><bridge name='%s'/></network>", name, bridge);
	virNetworkPtr network = l->virNetworkDefineXML(l->connection, xml);
	int r = 0;

	if (!network || l->virNetworkSetAutostart(network, 1) < 0)
		r = fail(l, name, err);
	if (network)
		l->virNetworkFree(network);
	return r;
}

static int change(struct libvirt *l, const char *name, int (*fn)(virNetworkPtr network),
		  struct vnet_error *err)
{
	virNetworkPtr network = l->virNetworkLookupByName(l->connection, name);
	int r = 0;

	if (!network || fn(network) < 0)
		r = fail(l, name, err);
	if (network)
		l->virNetworkFree(network);
	return r;
}

int libvirt_set_active(struct libvirt *l, const char *name, bool active, struct vnet_error *err)
{
	return change(l, name, active ? l->virNetworkCreate : l->virNetworkDestroy, err);
}

int libvirt_remove(struct libvirt *l, const char *name, bool is_active, struct vnet_error *err)
{
	int r = is_active ? libvirt_set_active(l, name, false, err) : 0;

	return r < 0 ? r : change(l, name, l->virNetworkUndefine, err);
}
