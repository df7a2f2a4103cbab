/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DOMAIN_H
#define CLI_DOMAIN_H

/*
 * domain.h - the interfaces of a libvirt domain as ports to ask netd for
 *
 * The document is a domain as libvirt hands it to its hooks, or its own record of
 * a running one (<domstatus> with the domain inside).  What libvirt's elements
 * cannot say stands in the domain's metadata:
 *
 *	<vnet:ports xmlns:vnet="urn:vnet:libvirt:1">
 *	  <vnet:port mac="52:54:00:00:00:05" network="blue" guard="strict"/>
 *	</vnet:ports>
 *
 * mac, alias or dev says which interface it is, network on which network; every
 * other attribute is an option of `vnetctl port attach` by its name there.
 */

#include "cli/attach.h"
#include "import/element.h"

#define DOMAIN_METADATA_NS "urn:vnet:libvirt:1"

struct domain_port {
	unsigned line;
	const char *mac, *alias, *dev, *bridge; /* NULL: none is given */
	bool is_ours_to_make;   /* type='ethernet', its target not managed by libvirt */
	const struct xml_element *metadata;     /* its <port>, or NULL */
	const char *network;    /* by metadata, or NULL */
	char *name;             /* the port's: "web.net0", unless the metadata has one */
	text_vec words;         /* what options was read from */
	struct attach_options options;
	VEC(char *) texts;
};

/* Strings are borrowed from the tree, which the domain owns. */
struct domain {
	struct xml_element *root;
	const char *name, *uuid;
	VEC(struct domain_port) ports; /* those that are, or may turn out to be, netd's business */
};

/* By xml_read(). Errors carry file and line. */
int domain_read(const char *text, size_t size, const char *file, struct domain **ret,
		struct vnet_error *err);
/* root is taken, also on failure. */
int domain_from_element(struct xml_element *root, const char *file, struct domain **ret,
			struct vnet_error *err);
void domain_free(struct domain *domain);
DEFINE_AUTO(struct domain, domain_free);

#endif
