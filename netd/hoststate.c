/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hoststate.c - what the host was like before us, so that it can be put back
 *
 * Written before the first operation that changes it runs. Kept below the run
 * folder: a reboot brings the host's own state back, and ours is gone with it.
 */

#include "netd/netd.h"

#include "netd/log.h"

#include <errno.h>
#include <stdio.h>

static json_t *addr_to_json(const struct addr *a)
{
	char text[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX];

	return json_pack("{s:s,s:s,s:I,s:i,s:I,s:I,s:I,s:s,s:b,s:i}", "prefix", prefix_format(&a->prefix, text),
			 "peer", a->peer.family ? ip_format(&a->peer, peer) : "", "flags",
			 (json_int_t)a->flags, "scope", (int)a->scope, "valid", (json_int_t)a->valid,
			 "preferred", (json_int_t)a->preferred, "metric", (json_int_t)a->metric,
			 "label", a->label, "no_broadcast", a->no_broadcast, "protocol",
			 (int)a->protocol);
}

static int addr_from_json(json_t *json, struct addr *ret)
{
	const char *prefix, *peer, *label;
	json_int_t flags, valid, preferred, metric;
	int scope, no_broadcast, protocol;

	if (json_unpack(json, "{s:s,s:s,s:I,s:i,s:I,s:I,s:I,s:s,s:b,s:i}", "prefix", &prefix, "peer", &peer,
			"flags", &flags, "scope", &scope, "valid", &valid, "preferred", &preferred,
			"metric", &metric, "label", &label, "no_broadcast", &no_broadcast, "protocol",
			&protocol) < 0 ||
	    prefix_parse(prefix, &ret->prefix) < 0 || (peer[0] && ip_parse(peer, &ret->peer) < 0))
		return -EINVAL;
	ret->flags = (uint32_t)flags;
	ret->scope = (uint8_t)scope;
	ret->valid = (uint32_t)valid;
	ret->preferred = (uint32_t)preferred;
	ret->metric = (uint32_t)metric;
	ret->no_broadcast = no_broadcast;
	ret->protocol = (uint8_t)protocol;
	snprintf(ret->label, sizeof(ret->label), "%s", label);
	return 0;
}

static json_t *route_to_json(const struct route *route)
{
	char dst[ADDR_TEXT_MAX], gateway[ADDR_TEXT_MAX], source[ADDR_TEXT_MAX];

	return json_pack("{s:I,s:s,s:s,s:s,s:I,s:i,s:i,s:i,s:I,s:I,s:i,s:I}", "table",
			 (json_int_t)route->table, "dst", prefix_format(&route->dst, dst), "gateway",
			 route->gateway.family ? ip_format(&route->gateway, gateway) : "", "prefsrc",
			 route->prefsrc.family ? ip_format(&route->prefsrc, source) : "", "metric",
			 (json_int_t)route->metric, "protocol", (int)route->protocol, "type",
			 (int)route->type, "scope", (int)route->scope, "flags",
			 (json_int_t)route->flags, "mtu", (json_int_t)route->mtu, "preference",
			 (int)route->preference, "expires", (json_int_t)route->expires);
}

static int route_from_json(json_t *json, struct route *ret)
{
	const char *dst, *gateway, *source;
	json_int_t table, metric, flags, mtu, expires;
	int protocol, type, scope, preference;

	if (json_unpack(json, "{s:I,s:s,s:s,s:s,s:I,s:i,s:i,s:i,s:I,s:I,s:i,s:I}", "table", &table,
			"dst", &dst, "gateway", &gateway, "prefsrc", &source, "metric", &metric,
			"protocol", &protocol, "type", &type, "scope", &scope, "flags", &flags, "mtu",
			&mtu, "preference", &preference, "expires", &expires) < 0 ||
	    prefix_parse(dst, &ret->dst) < 0 || (gateway[0] && ip_parse(gateway, &ret->gateway) < 0) ||
	    (source[0] && ip_parse(source, &ret->prefsrc) < 0))
		return -EINVAL;
	ret->family = ret->dst.addr.family;
	ret->table = (uint32_t)table;
	ret->metric = (uint32_t)metric;
	ret->protocol = (uint8_t)protocol;
	ret->type = (uint8_t)type;
	ret->scope = (uint8_t)scope;
	ret->flags = (uint32_t)flags;
	ret->mtu = (uint32_t)mtu;
	ret->preference = (uint8_t)preference;
	ret->expires = (uint32_t)expires;
	return 0;
}

static json_t *takeover_to_json(const struct takeover *t)
{
	char mac[ADDR_TEXT_MAX];
	json_t *addrs = json_array(), *routes = json_array();

	vec_each(a, &t->addrs)
		json_array_append_new(addrs, addr_to_json(a));
	vec_each(route, &t->routes)
		json_array_append_new(routes, route_to_json(route));
	return json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o}", "network", t->network, "uplink", t->uplink,
			 "bridge", t->bridge, "mac", mac_format(&t->mac, mac), "was_down", t->was_down,
			 "addresses", addrs,
			 "routes", routes);
}

static int takeover_from_json(json_t *json, struct takeover *ret)
{
	const char *network, *uplink, *bridge, *mac;
	json_t *addrs, *routes, *item;
	int was_down = 0;
	size_t i;

	if (json_unpack(json, "{s:s,s:s,s:s,s:s,s?b,s:o,s:o}", "network", &network, "uplink", &uplink,
			"bridge", &bridge, "mac", &mac, "was_down", &was_down, "addresses", &addrs,
			"routes", &routes) < 0 ||
	    mac_parse(mac, &ret->mac) < 0)
		return -EINVAL;
	snprintf(ret->network, sizeof(ret->network), "%s", network);
	snprintf(ret->uplink, sizeof(ret->uplink), "%s", uplink);
	snprintf(ret->bridge, sizeof(ret->bridge), "%s", bridge);
	ret->was_down = was_down;
	json_array_foreach(addrs, i, item)
		if (addr_from_json(item, vec_add(&ret->addrs)) < 0)
			return -EINVAL;
	json_array_foreach(routes, i, item)
		if (route_from_json(item, vec_add(&ret->routes)) < 0)
			return -EINVAL;
	return 0;
}

static int save_host(struct netd *d, struct vnet_error *err)
{
	json_t *sysctls = json_array(), *takeovers = json_array(), *object;
	int r;

	vec_each(s, &d->host.saved)
		json_array_append_new(sysctls, json_pack("{s:s,s:I}", "path", s->sysctl.path, "value",
							 (json_int_t)s->sysctl.value));
	vec_each(t, &d->host.takeovers)
		json_array_append_new(takeovers, takeover_to_json(t));
	object = json_pack("{s:o,s:o}", "sysctls", sysctls, "takeovers", takeovers);
	r = store_put(d->store, STORE_HOST, "host", object, err);
	d->host_is_unsaved = r < 0;
	json_decref(object);
	return r;
}

static void load_host(void *arg, const char *name, json_t *object)
{
	struct netd *d = arg;
	json_t *item;
	size_t i;

	(void)name;
	json_array_foreach(json_object_get(object, "sysctls"), i, item) {
		struct saved_sysctl s = { 0 };
		json_int_t value;
		const char *path;

		if (json_unpack(item, "{s:s,s:I}", "path", &path, "value", &value) < 0)
			continue;
		snprintf(s.sysctl.path, sizeof(s.sysctl.path), "%s", path);
		s.sysctl.value = value;
		vec_push(&d->host.saved, s);
	}
	json_array_foreach(json_object_get(object, "takeovers"), i, item) {
		struct takeover t = { 0 };

		if (takeover_from_json(item, &t) == 0) {
			vec_push(&d->host.takeovers, t);
		} else {
			log_error("state host.json: takeover %zu is damaged and was left out", i);
			takeover_free(&t);
		}
	}
}

void host_load(struct netd *d)
{
	store_each(d->store, STORE_HOST, load_host, d);
}

/* The record of this network's NIC, or NULL. */
static struct takeover *find_takeover(struct netd *d, const char *network, const char *uplink)
{
	vec_each(t, &d->host.takeovers)
		if (strcmp(t->network, network) == 0 && strcmp(t->uplink, uplink) == 0)
			return t;
	return NULL;
}

int host_remember(struct netd *d, struct plan *plan, struct vnet_error *err)
{
	/* What could not be written then is in our memory only: no plan names it again. */
	if (!plan->to_save.n && !plan->to_take_over.n && !d->host_is_unsaved)
		return 0;
	vec_each(s, &plan->to_save)
		vec_push(&d->host.saved, *s);
	vec_each(t, &plan->to_take_over) {
		struct takeover *old = find_takeover(d, t->network, t->uplink);

		if (old) {
			takeover_free(old);
			*old = *t;
		} else {
			vec_push(&d->host.takeovers, *t);
		}
	}
	/* What they own is d's now. */
	plan->to_take_over.n = 0;
	return save_host(d, err);
}

static void forget_saved(struct netd *d, const char *path)
{
	for (size_t i = 0; i < d->host.saved.n; i++)
		if (strcmp(d->host.saved.v[i].sysctl.path, path) == 0) {
			vec_remove(&d->host.saved, i);
			return;
		}
}

int host_forget(struct netd *d, const struct plan *plan, struct vnet_error *err)
{
	if (!plan->to_forget.n && !plan->given_back.n)
		return 0;
	vec_each(s, &plan->to_forget)
		forget_saved(d, s->sysctl.path);
	vec_each(key, &plan->given_back) {
		struct takeover *t = find_takeover(d, key->network, key->uplink);

		if (t) {
			takeover_free(t);
			vec_remove(&d->host.takeovers, (size_t)(t - d->host.takeovers.v));
		}
	}
	return save_host(d, err);
}

void host_free(struct netd *d)
{
	vec_each(t, &d->host.takeovers)
		takeover_free(t);
	vec_free(&d->host.takeovers);
	vec_free(&d->host.saved);
}
