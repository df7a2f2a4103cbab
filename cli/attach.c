/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach.c - from options to a request for a port */

#include "cli/attach.h"

#include "base/strbuf.h"

#include <errno.h>

#define KEYS_MAX 8 /* of one option's value */
#define STORM_MAX 10000000

static int fill_inside(const struct attach_options *o, struct attach_request *ret,
		       struct vnet_error *err);
static int read_vlan(const char *text, struct attach_request *ret, struct vnet_error *err);
static int read_limit(const char *option, const char *text, struct attach_request *owner,
		      struct vnet_limit *ret, struct vnet_error *err);
static int read_offload(const char *text, struct attach_request *ret, struct vnet_error *err);
static int read_guard(const char *text, struct attach_request *ret, struct vnet_error *err);
static int read_keys(const char *option, const char *text, const char *const *keys,
		     struct attach_request *owner, const char **ret_values,
		     struct vnet_error *err);
static int read_number(const char *option, const char *text, unsigned max, unsigned *ret,
		       struct vnet_error *err);

static enum vnet_switch switch_value(const char *text)
{
	if (!text || !strcmp(text, "auto"))
		return VNET_DEFAULT;
	return !strcmp(text, "on") ? VNET_ON : VNET_OFF;
}

int attach_request_fill(const struct attach_options *o, const char *network,
			struct attach_request *ret, struct vnet_error *err)
{
	struct vnet_attach_request *q = &ret->request;
	int r = setting_request_fill(&o->settings, ret, err);

	q->network = network;
	q->name = o->name;
	q->ifname = o->ifname;
	q->mac = o->mac;
	q->addresses = o->addresses.v;
	q->n_addresses = o->addresses.n;
	q->queues = o->queues;
	q->mtu = o->mtu;
	q->txqueuelen = o->txqueuelen;
	q->vhost = switch_value(o->vhost);
	q->isolated = switch_value(o->isolated);
	q->learn_mac = o->learn_mac;
	q->link_down = o->link_down;
	q->owner_pid = (pid_t)o->owner_pid;
	q->machine = o->machine;
	q->kind = o->kind;
	q->has_vf = o->vf != NULL;
	if (r == 0 && o->vf)
		r = read_number("vf", o->vf, 65535, &q->vf, err);
	if (r == 0)
		r = fill_inside(o, ret, err);
	return r;
}

int setting_request_fill(const struct setting_options *o, struct attach_request *ret,
			 struct vnet_error *err)
{
	struct vnet_attach_request *q = &ret->request;
	int r = 0;

	*ret = (struct attach_request){ .request = VNET_ATTACH_REQUEST_INIT };
	q->learning = switch_value(o->learning);
	q->flood = switch_value(o->flood);
	q->multicast_flood = switch_value(o->multicast_flood);
	q->hairpin = switch_value(o->hairpin);
	q->proxy_arp = switch_value(o->proxy_arp);
	q->groups = o->groups;
	if (o->vlan)
		r = read_vlan(o->vlan, ret, err);
	if (r == 0 && o->in)
		r = read_limit("in", o->in, ret, &q->in, err);
	if (r == 0 && o->out)
		r = read_limit("out", o->out, ret, &q->out, err);
	if (r == 0 && o->offload)
		r = read_offload(o->offload, ret, err);
	if (r == 0 && o->guard)
		r = read_guard(o->guard, ret, err);
	return r;
}

void attach_request_free(struct attach_request *request)
{
	vec_each(text, &request->texts)
		free(*text);
	vec_free(&request->texts);
	vec_free(&request->inside_addresses);
	vec_free(&request->inside_routes);
}

/* "10", "native=1,tagged=10,20-30" */
static int read_vlan(const char *text, struct attach_request *ret, struct vnet_error *err)
{
	static const char *const keys[] = { "native", "tagged", NULL };
	const char *values[KEYS_MAX] = { 0 };
	int r = read_keys("vlan", text, keys, ret, values, err);

	if (r == 0 && values[0])
		r = read_number("vlan", values[0], 4094, &ret->request.vlan, err);
	if (r == 0 && !values[1] && !ret->request.vlan)
		r = vnet_error_set(err, -EINVAL, "usage", "--vlan: without tagged= the port needs "
				   "an id from 1 to 4094");
	ret->request.vlan_tagged = values[1];
	return r;
}

/* "10mbit", "rate=10mbit,guaranteed=2mbit,burst=64k"; netd knows the units. */
static int read_limit(const char *option, const char *text, struct attach_request *owner,
		      struct vnet_limit *ret, struct vnet_error *err)
{
	static const char *const keys[] = { "rate", "guaranteed", "burst", NULL };
	const char *values[KEYS_MAX] = { 0 };
	int r = read_keys(option, text, keys, owner, values, err);

	*ret = (struct vnet_limit){ values[0], values[1], values[2] };
	return r;
}

static int read_switch(const char *option, const char *key, const char *value,
		       enum vnet_switch *ret, struct vnet_error *err)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return vnet_error_set(err, -EINVAL, "usage", "--%s: %s is on or off, not '%s'",
				      option, key, value);
	*ret = switch_value(value);
	return 0;
}

/* "tso=off,gso=off" */
static int read_offload(const char *text, struct attach_request *ret, struct vnet_error *err)
{
	static const char *const keys[] = { "rx", "tx", "sg", "tso", "gso", "gro", NULL };
	struct vnet_attach_request *q = &ret->request;
	enum vnet_switch *const fields[] = { &q->rx, &q->tx, &q->sg, &q->tso, &q->gso, &q->gro };
	const char *values[KEYS_MAX] = { 0 };
	int r;

	if (!strchr(text, '='))
		return vnet_error_set(err, -EINVAL, "usage",
				      "--offload is NAME=on or NAME=off, not '%s'", text);
	r = read_keys("offload", text, keys, ret, values, err);
	for (size_t i = 0; r == 0 && keys[i]; i++)
		if (values[i])
			r = read_switch("offload", keys[i], values[i], fields[i], err);
	return r;
}

/* "strict,allow=router,dhcp-server,broadcast=100"; netd knows the words. */
static int read_guard(const char *text, struct attach_request *ret, struct vnet_error *err)
{
	static const char *const keys[] = { "policy", "allow", "addresses", "macs", "ethertypes",
					    "broadcast", "multicast", "learn", NULL };
	struct vnet_guard *guard = &ret->request.guard;
	const char *values[KEYS_MAX] = { 0 };
	int r = read_keys("guard", text, keys, ret, values, err);

	*guard = (struct vnet_guard){ .policy = values[0], .allow = values[1],
				      .addresses = values[2], .macs = values[3],
				      .ethertypes = values[4] };
	if (r == 0 && values[5])
		r = read_number("guard", values[5], STORM_MAX, &guard->broadcast, err);
	if (r == 0 && values[6])
		r = read_number("guard", values[6], STORM_MAX, &guard->multicast, err);
	if (r == 0 && values[7])
		r = read_switch("guard", "learn", values[7], &guard->learn, err);
	return r;
}

static char *keep(struct attach_request *owner, char *text)
{
	return *vec_push(&owner->texts, text);
}

static void split_list(const char *list, struct attach_request *owner, const char *prefix,
		       text_vec *ret)
{
	for (const char *s = list; s && *s; s += strcspn(s, ","), s += *s == ',')
		vec_push(ret, keep(owner, mem_printf("%s%.*s", prefix, (int)strcspn(s, ","), s)));
}

/* "ifname=eth0,address=10.0.0.5/24,gateway=10.0.0.1,route=10.9.0.0/16 via 10.0.0.2" */
static int fill_inside(const struct attach_options *o, struct attach_request *ret,
		       struct vnet_error *err)
{
	static const char *const keys[] = { "ifname", "address", "gateway", "route", NULL };
	struct vnet_attach_request *q = &ret->request;
	const char *values[KEYS_MAX] = { 0 };
	int r = 0;

	if (o->netns)
		q->netns = strchr(o->netns, '/') ? o->netns :
			keep(ret, mem_printf("/run/netns/%s", o->netns));
	if (o->inside)
		r = read_keys("inside", o->inside, keys, ret, values, err);
	q->inside_ifname = values[0];
	split_list(values[1], ret, "", &ret->inside_addresses);
	split_list(values[2], ret, "default via ", &ret->inside_routes);
	split_list(values[3], ret, "", &ret->inside_routes);
	q->inside_addresses = ret->inside_addresses.v;
	q->n_inside_addresses = ret->inside_addresses.n;
	q->inside_routes = ret->inside_routes.v;
	q->n_inside_routes = ret->inside_routes.n;
	return r;
}

static int unknown_key(const char *option, const char *text, size_t size, const char *const *keys,
		       struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf known = { 0 };

	for (size_t i = 0; keys[i]; i++)
		strbuf_printf(&known, "%s%s", i ? ", " : "", keys[i]);
	vnet_error_set(err, -EINVAL, "usage", "--%s: '%.*s' is none of %s", option, (int)size,
		       text, known.s);
	return -EINVAL;
}

/*
 * Values of keys, in their order, as lists with commas; a text that starts
 * without a key starts with the first one's value.
 */
static int read_keys(const char *option, const char *text, const char *const *keys,
		     struct attach_request *owner, const char **ret_values, struct vnet_error *err)
{
	size_t key = 0, size;

	for (const char *s = text; *s; s += size, s += *s == ',') {
		size_t name = strcspn(s, "=,");

		size = strcspn(s, ",");
		if (s[name] == '=') {
			for (key = 0; keys[key]; key++)
				if (strlen(keys[key]) == name && !strncmp(s, keys[key], name))
					break;
			if (!keys[key])
				return unknown_key(option, s, name, keys, err);
			s += name + 1;
			size -= name + 1;
		}
		ret_values[key] = keep(owner, !ret_values[key] ? mem_strndup(s, size) :
				       mem_printf("%s,%.*s", ret_values[key], (int)size, s));
	}
	if (!*text)
		return vnet_error_set(err, -EINVAL, "usage", "--%s needs a value", option);
	return 0;
}

static int read_number(const char *option, const char *text, unsigned max, unsigned *ret,
		       struct vnet_error *err)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9' || number > max)
		return vnet_error_set(err, -EINVAL, "usage", "--%s: '%s' is no number from 0 to %u",
				      option, text, max);
	*ret = (unsigned)number;
	return 0;
}
