/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kernel.c - the calls of kernel.h, checked and handed to the back end */

#include "kernel/backend.h"

#include <errno.h>
#include <stdio.h>

void kernel_free(struct kernel *k)
{
	if (k)
		k->ops->free(k);
}

size_t kernel_fds(struct kernel *k, int ret_fds[KERNEL_FDS_MAX])
{
	return k->ops->fds(k, ret_fds);
}

int kernel_dispatch(struct kernel *k, kernel_handler handler, void *context, struct vnet_error *err)
{
	return k->ops->dispatch(k, handler, context, err);
}

int kernel_snapshot(struct kernel *k, unsigned parts, struct snapshot *ret, struct vnet_error *err)
{
	struct snapshot snap = {0};
	int r = k->ops->snapshot(k, parts, &snap, err);

	if (r < 0) {
		snapshot_free(&snap);
		return r;
	}
	snapshot_sort(&snap);
	*ret = snap;
	return 0;
}

int kernel_read_sysctls(struct kernel *k, struct snapshot *snap, struct vnet_error *err)
{
	return k->ops->read_sysctls(k, snap, err);
}

int kernel_execute(struct kernel *k, const struct op *ops, size_t n, size_t *ret_done,
		   struct vnet_error *err)
{
	size_t done = 0;
	int r = k->ops->execute(k, ops, n, &done, err);

	if (ret_done)
		*ret_done = done;
	return r;
}

static int bad_name(const char *what, const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -EINVAL, "bad-name", "%s \"%.15s\": not a device name", what,
			      name);
}

/* Of a device whose descriptors are to be handed out: none yet. */
static int check_queues(const char *what, const char name[16], unsigned queues, int *ret_fds,
			struct vnet_error *err)
{
	for (unsigned i = 0; i < queues && i < PORT_QUEUES_MAX; i++)
		ret_fds[i] = -1;
	if (!kernel_ifname_ok(name))
		return bad_name(what, name, err);
	if (queues < 1 || queues > PORT_QUEUES_MAX)
		return vnet_error_set(err, -EINVAL, "bad-queues",
				      "%s %s: %u queues; 1..%d are possible", what, name, queues,
				      PORT_QUEUES_MAX);
	return 0;
}

int kernel_tap_open(struct kernel *k, struct kernel_tap *tap, struct vnet_error *err)
{
	int r = check_queues("TAP", tap->name, tap->queues, tap->ret_fds, err);

	if (r < 0)
		return r;
	if (tap->queues > 1 && !tap->multi_queue)
		return vnet_error_set(err, -EINVAL, "bad-queues",
				      "TAP %s: %u queues need a multi-queue device", tap->name,
				      tap->queues);
	return k->ops->tap_open(k, tap, err);
}

int kernel_macvtap_open(struct kernel *k, struct kernel_macvtap *macvtap, struct vnet_error *err)
{
	int r = check_queues("macvtap", macvtap->name, macvtap->queues, macvtap->ret_fds, err);

	if (r < 0)
		return r;
	if (!kernel_ifname_ok(macvtap->parent))
		return bad_name("parent", macvtap->parent, err);
	return k->ops->macvtap_open(k, macvtap, err);
}

int kernel_inside_create(struct kernel *k, struct kernel_inside *inside, struct vnet_error *err)
{
	bool is_veth = !strcmp(inside->kind, "veth");

	if (!is_veth && strcmp(inside->kind, "macvlan") != 0)
		return vnet_error_set(err, -EINVAL, "device-kind",
				      "a device in a namespace is a veth or a macvlan, not \"%.15s\"",
				      inside->kind);
	if (is_veth && !kernel_ifname_ok(inside->name))
		return bad_name("veth", inside->name, err);
	if (!is_veth && !kernel_ifname_ok(inside->parent))
		return bad_name("parent", inside->parent, err);
	if (inside->inside->ifname[0] && !kernel_ifname_ok(inside->inside->ifname))
		return bad_name("in the namespace", inside->inside->ifname, err);
	return k->ops->inside_create(k, inside, err);
}

int kernel_inside_delete(struct kernel *k, const char *netns, const char *ifname,
			 struct vnet_error *err)
{
	return k->ops->inside_delete(k, netns, ifname, err);
}

int kernel_inside_find(struct kernel *k, const char *netns, int ifindex, char ret_name[16],
		       struct vnet_error *err)
{
	return k->ops->inside_find(k, netns, ifindex, ret_name, err);
}

int kernel_vf_address(struct kernel *k, const char *ifname, unsigned vf, char ret[32],
		      struct vnet_error *err)
{
	ret[0] = '\0';
	return k->ops->vf_address(k, ifname, vf, ret, err);
}

int kernel_find_tap(struct kernel *k, const char *name, int bridge_ifindex, int *ret_ifindex,
		    struct vnet_error *err)
{
	struct link link;
	int r = k->ops->find_link(k, name, &link, err);

	if (r == -ENODEV)
		return vnet_error_set(err, r, "device-unknown", "there is no device %.15s", name);
	if (r < 0)
		return r;
	if (strcmp(link.kind, "tun") || !link.tun.is_tap)
		return vnet_error_set(err, -EINVAL, "device-kind",
				      "device %s is no TAP, and only a TAP can be taken over",
				      name);
	if (link.master && link.master != bridge_ifindex)
		return vnet_error_set(err, -EBUSY, "device-in-use",
				      "device %s is in another bridge already; take it out first", name);
	*ret_ifindex = link.ifindex;
	return 0;
}

int kernel_vhost_open(struct kernel *k, unsigned n, int *ret_fds, struct vnet_error *err)
{
	return k->ops->vhost_open(k, n, ret_fds, err);
}

int kernel_list_fdb(struct kernel *k, int bridge_ifindex, fdb_vec *ret, struct vnet_error *err)
{
	return k->ops->list_fdb(k, bridge_ifindex, ret, err);
}

int kernel_drop_counters(struct kernel *k, const char *ifname, drop_counter_vec *ret,
			 struct vnet_error *err)
{
	return k->ops->drop_counters(k, ifname, ret, err);
}

int kernel_read_filters(struct kernel *k, filter_table_vec *ret, struct vnet_error *err)
{
	return k->ops->read_filters(k, ret, err);
}

int kernel_fix_filters(struct kernel *k, const fix_rule_vec *add, const fix_present_vec *remove,
		       struct vnet_error *err)
{
	return k->ops->fix_filters(k, add, remove, err);
}

int kernel_ask_route(struct kernel *k, const char *iif, const struct ip *from, const struct ip *to,
		     char ret_oif[16])
{
	return k->ops->ask_route(k, iif, from, to, ret_oif);
}

void kernel_list_listeners(struct kernel *k, doctor_socket_vec *ret)
{
	k->ops->list_listeners(k, ret);
}

int kernel_trace(struct kernel *k, bool is_on, struct vnet_error *err)
{
	return k->ops->trace(k, is_on, err);
}

int kernel_read_place(struct kernel *k, const struct filter_place *place, filter_table_vec *ret,
		      struct vnet_error *err)
{
	return k->ops->read_place(k, place, ret, err);
}

int kernel_watch_fdb(struct kernel *k, struct vnet_error *err)
{
	return k->ops->watch_fdb(k, err);
}

int kernel_probe_neigh(struct kernel *k, const char *ifname, const struct ip *ip,
		       struct vnet_error *err)
{
	return k->ops->probe_neigh(k, ifname, ip, err);
}

bool kernel_has_conntrack(struct kernel *k)
{
	return k->ops->has_conntrack(k);
}

int kernel_list_flows(struct kernel *k, ip_vec *addresses, flow_vec *ret, struct vnet_error *err)
{
	return k->ops->list_flows(k, addresses, ret, err);
}

int kernel_change_flow(struct kernel *k, const struct kernel_flow *flow, enum flow_change change,
		       struct vnet_error *err)
{
	return k->ops->change_flow(k, flow, change, err);
}

bool kernel_guards_checksums(struct kernel *k, const char **ret_why)
{
	return k->ops->guards_checksums(k, ret_why);
}

const char *kernel_note(struct kernel *k, size_t i)
{
	return k->ops->note(k, i);
}

/* dev_valid_name(), plus '%', which several interfaces take as a pattern. */
bool kernel_ifname_ok(const char *name)
{
	size_t n = strnlen(name, 16);

	if (!n || n == 16 || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || name[i] == ':' || name[i] == '%' ||
		    (unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return true;
}

int kernel_error(struct vnet_error *err, int number, const char *text, const char *format, ...)
{
	static const struct { int number; const char *code; } codes[] = {
		{-EPERM, "not-permitted"}, {-EACCES, "not-permitted"}, {-EEXIST, "device-exists"},
		{-ENODEV, "no-device"}, {-EBUSY, "device-busy"}, {-ETIMEDOUT, "kernel-timeout"},
		{-ENETDOWN, "device-down"},
	};
	const char *code = "kernel-refused";
	char what[256];
	va_list args;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].number == number)
			code = codes[i].code;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (err && !vnet_error_is_set(err)) {
		const char *reason = strerrordesc_np(-number);

		vnet_error_set(err, number, code, "%s: %s", what,
			       reason ? reason : "unknown error");
		snprintf(err->kernel, sizeof(err->kernel), "%s", text ? text : "");
	}
	return number;
}
