/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach.c - from options to a request for a port */

#include "cli/attach.h"

static enum vnet_switch switch_value(const char *text)
{
	if (!text || !strcmp(text, "auto"))
		return VNET_DEFAULT;
	return !strcmp(text, "on") ? VNET_ON : VNET_OFF;
}

void attach_request_fill(const struct attach_options *o, const char *network,
			 struct vnet_attach_request *ret)
{
	*ret = (struct vnet_attach_request)VNET_ATTACH_REQUEST_INIT;
	ret->network = network;
	ret->name = o->name;
	ret->ifname = o->ifname;
	ret->mac = o->mac;
	ret->addresses = o->addresses.v;
	ret->n_addresses = o->addresses.n;
	ret->queues = o->queues;
	ret->mtu = o->mtu;
	ret->txqueuelen = o->txqueuelen;
	ret->vhost = switch_value(o->vhost);
	ret->isolated = switch_value(o->isolated);
	ret->learn_mac = o->learn_mac;
	ret->link_down = o->link_down;
}
