/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach.c - ports: a typed request out, a typed port with descriptors in
 *
 * The only part of the API that JSON text cannot carry is the descriptors; so
 * this is the only method that has a C type of its own.
 */

#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the caller sees, and the reply that its strings live in. */
struct port_object {
	struct vnet_port port; /* first: the caller's pointer is ours */
	json_t *reply;
};

static json_t *text_value(const char *text, size_t size);
static void set_string(json_t *object, const char *key, const char *value);
static void set_switch(json_t *object, const char *key, enum vnet_switch value);
static void set_number(json_t *object, const char *key, json_int_t value);
static void set_flag(json_t *object, const char *key, bool value);
static void set_groups(json_t *p, const char *text);
static void set_list(json_t *object, const char *key, const char *const *items, size_t n);
static void set_words(json_t *object, const char *key, const char *text);
static void set_object(json_t *object, const char *key, json_t *value);
static json_t *vlan_object(const struct vnet_attach_request *q);
static json_t *limit_object(const struct vnet_limit *limit);
static json_t *guard_object(const struct vnet_guard *guard);
static json_t *inside_object(const struct vnet_attach_request *q);
static const char *get_string(const json_t *object, const char *key);
static int check_devices(const struct vnet_port *port, struct vnet_error *err);
static char **string_list(const json_t *array);
static void free_list(char **list);
static int expand(char **argument, const struct vnet_port *port, struct vnet_error *err);

json_t *client_attach_parameters(const struct vnet_attach_request *in)
{
	static const char *const vhost[] = { [VNET_ON] = "on", [VNET_OFF] = "off" };
	struct vnet_attach_request q = { 0 };
	json_t *p = json_object();

	/* A caller compiled with an older header has a shorter structure. */
	memcpy(&q, in, in->size < sizeof(q) ? in->size : sizeof(q));
	set_string(p, "network", q.network);
	set_string(p, "name", q.name);
	set_string(p, "ifname", q.ifname);
	set_string(p, "mac", q.mac);
	set_list(p, "addresses", q.addresses, q.n_addresses);
	set_number(p, "queues", q.queues);
	set_number(p, "mtu", q.mtu);
	set_number(p, "txqueuelen", q.txqueuelen);
	set_number(p, "ownerPid", q.owner_pid);
	set_string(p, "machine", q.machine);
	if (q.vhost == VNET_ON || q.vhost == VNET_OFF)
		set_string(p, "vhost", vhost[q.vhost]);
	set_switch(p, "vnetHdr", q.vnet_hdr);
	set_switch(p, "offload", q.offload);
	set_switch(p, "isolated", q.isolated);
	set_flag(p, "learnMac", q.learn_mac);
	set_flag(p, "persistent", q.persistent);
	set_flag(p, "adopt", q.adopt);
	set_flag(p, "linkDown", q.link_down);
	set_string(p, "kind", q.kind);
	set_string(p, "netns", q.netns);
	set_object(p, "inside", inside_object(&q));
	if (q.has_vf)
		json_object_set_new(p, "vf", json_integer(q.vf));
	client_port_settings(&q, p);
	return p;
}

void client_port_settings(const struct vnet_attach_request *q, json_t *p)
{
	json_t *offloads = json_object(), *bandwidth = json_object();

	set_object(p, "vlan", vlan_object(q));
	set_switch(p, "learning", q->learning);
	set_switch(p, "flood", q->flood);
	set_switch(p, "multicastFlood", q->multicast_flood);
	set_switch(p, "hairpin", q->hairpin);
	set_switch(p, "proxyArp", q->proxy_arp);
	set_switch(offloads, "rx", q->rx);
	set_switch(offloads, "tx", q->tx);
	set_switch(offloads, "sg", q->sg);
	set_switch(offloads, "tso", q->tso);
	set_switch(offloads, "gso", q->gso);
	set_switch(offloads, "gro", q->gro);
	set_object(p, "offloads", offloads);
	set_object(bandwidth, "in", limit_object(&q->in));
	set_object(bandwidth, "out", limit_object(&q->out));
	set_object(p, "bandwidth", bandwidth);
	set_object(p, "guard", guard_object(&q->guard));
	set_groups(p, q->groups);
}

/* "web,ssh"; the word none is an empty list, which is not the same as no list. */
static void set_groups(json_t *p, const char *text)
{
	json_t *groups = text ? json_array() : NULL;

	for (const char *s = text; s && *s && strcmp(text, "none"); s += strcspn(s, ","), s += *s == ',')
		json_array_append_new(groups, text_value(s, strcspn(s, ",")));
	if (groups)
		json_object_set_new(p, "groups", groups);
}

/* A trunk without a native id says so: left out, it would be the bridge's. */
static json_t *vlan_object(const struct vnet_attach_request *q)
{
	json_t *vlan = json_object();

	if (q->vlan || q->vlan_tagged)
		json_object_set_new(vlan, "native", json_integer(q->vlan));
	set_words(vlan, "tagged", q->vlan_tagged);
	return vlan;
}

static json_t *limit_object(const struct vnet_limit *limit)
{
	json_t *object = json_object();

	set_string(object, "rate", limit->rate);
	set_string(object, "guaranteed", limit->guaranteed);
	set_string(object, "burst", limit->burst);
	return object;
}

static json_t *guard_object(const struct vnet_guard *guard)
{
	json_t *object = json_object(), *storm = json_object();

	set_string(object, "policy", guard->policy);
	set_words(object, "allow", guard->allow);
	set_words(object, "addresses", guard->addresses);
	set_words(object, "macs", guard->macs);
	set_words(object, "ethertypes", guard->ethertypes);
	set_number(storm, "broadcast", guard->broadcast);
	set_number(storm, "multicast", guard->multicast);
	set_object(object, "storm", storm);
	set_switch(object, "learn", guard->learn);
	return object;
}

/* "TO [via ADDRESS] [metric N]"; what is not of that form goes to netd as the destination, to be refused. */
static json_t *route_object(const char *text)
{
	AUTO_FREE char *copy = mem_strdup(text);
	json_t *route = json_object();
	char *rest = copy, *to = strsep(&rest, " "), *key, *value, *end;

	set_string(route, "to", to);
	while ((key = strsep(&rest, " "))) {
		value = strsep(&rest, " ");
		if (value && !strcmp(key, "via")) {
			set_string(route, "via", value);
			continue;
		}
		if (value && *value && !strcmp(key, "metric")) {
			json_object_set_new(route, "metric", json_integer(strtol(value, &end, 10)));
			if (!*end)
				continue;
		}
		set_string(route, "to", text);
		break;
	}
	return route;
}

static json_t *inside_object(const struct vnet_attach_request *q)
{
	json_t *inside = json_object(), *routes = json_array();

	set_string(inside, "ifname", q->inside_ifname);
	set_list(inside, "addresses", q->inside_addresses, q->n_inside_addresses);
	for (size_t i = 0; i < q->n_inside_routes; i++)
		json_array_append_new(routes, route_object(q->inside_routes[i]));
	if (q->n_inside_routes)
		json_object_set(inside, "routes", routes);
	json_decref(routes);
	return inside;
}

int vnet_client_attach(struct vnet_client *client, const struct vnet_attach_request *request,
		       struct vnet_port **ret, struct vnet_error *err)
{
	json_t *parameters = client_attach_parameters(request), *reply = NULL;
	AUTO_FDS fd_vec fds = { 0 };
	int r;

	r = client_call_fds(client, "AttachPort", parameters, &reply, &fds, err);
	json_decref(parameters);
	if (r == 0)
		r = client_port_new(reply, &fds, ret, err);
	json_decref(reply);
	return r;
}

int vnet_client_detach(struct vnet_client *client, const char *name, struct vnet_error *err)
{
	json_t *parameters = json_pack("{s:s}", "name", name);
	int r;

	if (!parameters)
		return vnet_error_set(err, -EINVAL, "invalid-parameter", "the name is not UTF-8");
	r = client_call(client, "DetachPort", parameters, NULL, err);
	json_decref(parameters);
	return r;
}

int client_port_new(json_t *reply, fd_vec *fds, struct vnet_port **ret, struct vnet_error *err)
{
	const json_t *info = json_object_get(reply, "port"), *list = json_object_get(reply, "fds");
	struct port_object *o = mem_alloc(sizeof(*o));
	struct vnet_port *port = &o->port;
	int r;

	o->reply = json_incref(reply);
	port->name = get_string(info, "name");
	port->network = get_string(info, "network");
	port->ifname = get_string(info, "ifname");
	port->mac = get_string(info, "mac");
	port->mtu = (unsigned)json_integer_value(json_object_get(info, "mtu"));
	port->queues = (unsigned)json_integer_value(json_object_get(info, "queues"));
	port->kind = get_string(info, "kind");
	port->pci_address = get_string(info, "pciAddress");
	port->qemu_args = string_list(json_object_get(reply, "qemuArgs"));
	port->notes = string_list(json_object_get(reply, "notes"));
	port->fds = mem_alloc(fds->n * sizeof(*port->fds));
	for (size_t i = 0; i < fds->n; i++) {
		const json_t *d = json_array_get(list, i);

		port->fds[i] = (struct vnet_fd){
			.fd = fds->v[i],
			.role = get_string(d, "role"),
			.queue = (unsigned)json_integer_value(json_object_get(d, "queue")),
		};
	}
	port->n_fds = fds->n;
	fds->n = 0;
	r = json_is_object(info) ? check_devices(port, err) :
	    vnet_error_set(err, -EPROTO, "protocol-error", "netd's answer lacks the port");
	for (char **a = port->qemu_args; r == 0 && *a; a++)
		r = expand(a, port, err);
	if (r < 0) {
		vnet_port_free(port);
		return r;
	}
	*ret = port;
	return 0;
}

int vnet_port_take_fd(struct vnet_port *port, size_t i)
{
	int fd = i < port->n_fds ? port->fds[i].fd : -1;

	if (fd >= 0)
		port->fds[i].fd = -1;
	return fd;
}

int vnet_port_keep_on_exec(struct vnet_port *port, struct vnet_error *err)
{
	for (size_t i = 0; i < port->n_fds; i++) {
		int fd = port->fds[i].fd;
		int flags = fd < 0 ? 0 : fcntl(fd, F_GETFD);

		if (fd >= 0 && (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0))
			return vnet_error_set(err, -errno, "internal", "descriptor %d: %s", fd,
					      strerror(errno));
	}
	return 0;
}

void vnet_port_free(struct vnet_port *port)
{
	struct port_object *o = (struct port_object *)port;

	if (!port)
		return;
	for (size_t i = 0; i < port->n_fds; i++)
		if (port->fds[i].fd >= 0)
			close(port->fds[i].fd);
	free(port->fds);
	free_list(port->qemu_args);
	free_list(port->notes);
	json_decref(o->reply);
	free(o);
}

/* A TAP and vhost-net are character devices; anything else was not made by netd. */
static int check_devices(const struct vnet_port *port, struct vnet_error *err)
{
	for (size_t i = 0; i < port->n_fds; i++) {
		const struct vnet_fd *d = &port->fds[i];
		struct stat st;

		if (strcmp(d->role, "tap") && strcmp(d->role, "vhost"))
			continue;
		if (fstat(d->fd, &st) < 0 || !S_ISCHR(st.st_mode))
			return vnet_error_set(err, -EPROTO, "protocol-error",
					      "descriptor %zu from netd is no %s device", i,
					      d->role);
	}
	return 0;
}

/* Puts descriptors' numbers in place of %fdN%; every other % stays. */
static int expand(char **argument, const struct vnet_port *port, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	const char *s = *argument, *mark;

	while ((mark = strstr(s, "%fd"))) {
		char *end;
		unsigned long i = strtoul(mark + 3, &end, 10);

		strbuf_append_n(&b, s, (size_t)(mark - s));
		if (end == mark + 3 || *end != '%') {
			strbuf_append(&b, "%fd");
			s = mark + 3;
			continue;
		}
		if (i >= port->n_fds)
			return vnet_error_set(err, -EPROTO, "protocol-error",
					      "netd's arguments name descriptor %lu of %zu", i,
					      port->n_fds);
		strbuf_printf(&b, "%d", port->fds[i].fd);
		s = end + 1;
	}
	strbuf_append(&b, s);
	free(*argument);
	*argument = strbuf_take(&b);
	return 0;
}

/* What is no UTF-8 cannot be a name of anything: let netd say so of a visible text. */
static json_t *text_value(const char *text, size_t size)
{
	json_t *value = json_stringn(text, size);

	return value ? value : json_string("\xEF\xBF\xBD");
}

static void set_string(json_t *object, const char *key, const char *value)
{
	if (value)
		json_object_set_new(object, key, text_value(value, strlen(value)));
}

static void set_switch(json_t *object, const char *key, enum vnet_switch value)
{
	if (value != VNET_DEFAULT)
		json_object_set_new(object, key, json_boolean(value == VNET_ON));
}

static void set_number(json_t *object, const char *key, json_int_t value)
{
	if (value)
		json_object_set_new(object, key, json_integer(value));
}

static void set_flag(json_t *object, const char *key, bool value)
{
	if (value)
		json_object_set_new(object, key, json_true());
}

static void set_list(json_t *object, const char *key, const char *const *items, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, text_value(items[i], strlen(items[i])));
	if (n)
		json_object_set(object, key, list);
	json_decref(list);
}

/* A list that was written with commas. */
static void set_words(json_t *object, const char *key, const char *text)
{
	json_t *list = json_array();

	for (const char *s = text; s && *s; s += strcspn(s, ","), s += *s == ',')
		json_array_append_new(list, text_value(s, strcspn(s, ",")));
	if (text)
		json_object_set(object, key, list);
	json_decref(list);
}

/* Takes value over; an empty one says nothing. */
static void set_object(json_t *object, const char *key, json_t *value)
{
	if (json_object_size(value))
		json_object_set(object, key, value);
	json_decref(value);
}

static const char *get_string(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/* Copies the array's strings; ends with NULL. */
static char **string_list(const json_t *array)
{
	size_t n = json_array_size(array);
	char **list = mem_alloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(array, i));

		list[i] = mem_strdup(s ? s : "");
	}
	return list;
}

static void free_list(char **list)
{
	for (char **s = list; *s; s++)
		free(*s);
	free(list);
}
