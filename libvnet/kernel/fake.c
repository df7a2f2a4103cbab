/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake.c - a kernel in memory
 *
 * The state is a snapshot; operations change it through op_apply(), the same
 * function that proves plans complete.  A TAP's descriptor is one end of a
 * socket pair whose other end is watched here: it hangs up when the last copy
 * is closed, in whatever process, as a real TAP goes.
 */

#include "kernel/backend.h"
#include "nft/ruleset.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CARRIER 0x10000 /* IFF_LOWER_UP; linux/if.h and net/if.h exclude each other */
enum { PORT_DISABLED = 0, PORT_FORWARDING = 3 }; /* BR_STATE_* */
#define EVENTS_MAX 65536 /* queued; past it they are lost, as a full socket buffer loses them */

struct fake_queue {
	char name[16];
	int fd;                 /* our end */
};

struct fake_inside {            /* an interface in another namespace */
	char *netns;
	char ifname[16];
	char outside[16];       /* veth: its other end, "": none */
	int ifindex;
};

struct kernel_fake {
	struct kernel base;
	struct snapshot state;
	VEC(struct kernel_event) events;
	VEC(struct fake_queue) queues;
	VEC(struct fake_inside) insides;
	fdb_vec fdb;
	drop_counter_vec drops;
	int event_fd;           /* readable while events wait */
	int epoll;              /* what the caller polls: event_fd and the queues' ends */
	int next_inside;        /* index of the next device in another namespace */
	bool watches_fdb;
	size_t fail_in;         /* 0: never */
	int fail_number;
};

static const struct kernel_ops fake_ops;

static struct kernel_fake *self(struct kernel *base)
{
	return (struct kernel_fake *)base;
}

/* The namespace at birth: a loopback device that is down, and the switches that matter to us. */
static void add_initial_state(struct kernel_fake *k)
{
	static const struct { const char *leaf; int64_t v4, v6; } leaves[] = {
		{"forwarding", 0, 0}, {"rp_filter", 0, -1}, {"accept_redirects", 1, 1},
		{"send_redirects", 1, -1}, {"proxy_arp", 0, -1}, {"route_localnet", 0, -1},
		{"arp_ignore", 0, -1}, {"arp_announce", 0, -1}, {"accept_ra", -1, 1},
		{"autoconf", -1, 1}, {"disable_ipv6", -1, 0}, {"accept_dad", -1, 1},
		{"proxy_ndp", -1, 0}, {"force_forwarding", -1, 0},
	};
	static const char *const names[] = {"all", "default", "lo"};
	struct link *lo = vec_add(&k->state.links);

	*lo = (struct link){.ifindex = 1, .name = "lo", .mtu = 65536, .txqueuelen = 1000,
			    .flags = IFF_LOOPBACK};
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
			for (int v = 4; v <= 6; v += 2) {
				int64_t value = v == 4 ? leaves[i].v4 : leaves[i].v6;
				struct sysctl *s = value < 0 ? NULL : vec_add(&k->state.sysctls);

				if (!s)
					continue;
				s->value = value;
				snprintf(s->path, sizeof(s->path), "net/ipv%d/conf/%s/%s", v,
					 names[n], leaves[i].leaf);
			}
	vec_push(&k->state.sysctls, (struct sysctl){.path = "net/ipv4/ip_forward"});
	snapshot_sort(&k->state);
}

int kernel_fake_new(struct kernel **ret, struct vnet_error *err)
{
	struct kernel_fake *k = mem_alloc(sizeof(*k));
	struct epoll_event wanted = {.events = EPOLLIN};

	k->base.ops = &fake_ops;
	k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	wanted.data.fd = k->event_fd;
	if (k->event_fd < 0 || k->epoll < 0 ||
	    epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->event_fd, &wanted) < 0) {
		int r = kernel_error(err, -errno, NULL, "cannot set up the fake kernel");

		kernel_free(&k->base);
		return r;
	}
	add_initial_state(k);
	*ret = &k->base;
	return 0;
}

static void fake_free(struct kernel *base)
{
	struct kernel_fake *k = self(base);

	vec_each(queue, &k->queues)
		close(queue->fd);
	if (k->event_fd >= 0)
		close(k->event_fd);
	if (k->epoll >= 0)
		close(k->epoll);
	snapshot_free(&k->state);
	vec_free(&k->events);
	vec_free(&k->queues);
	vec_each(inside, &k->insides)
		free(inside->netns);
	vec_free(&k->insides);
	vec_free(&k->fdb);
	vec_free(&k->drops);
	free(k);
}

/* Events. */

void kernel_fake_event(struct kernel *base, const struct kernel_event *event)
{
	const struct kernel_event overrun = {.kind = KERNEL_EVENT_OVERRUN};
	struct kernel_fake *k = self(base);
	uint64_t one = 1;

	if (k->events.n >= EVENTS_MAX) {
		k->events.n = 0;
		event = &overrun;
	}
	vec_push(&k->events, *event);
	if (write(k->event_fd, &one, sizeof(one)) < 0)
		return; /* readable already: its counter is full */
}

static void tell_link(struct kernel_fake *k, enum kernel_event_kind kind, const struct link *link)
{
	struct kernel_event event = {.kind = kind};

	if (!link)
		return;
	event.link = *link;
	kernel_fake_event(&k->base, &event);
}

static int queues_of(const struct kernel_fake *k, const char *name)
{
	int n = 0;

	vec_each(queue, &k->queues)
		n += !strcmp(queue->name, name);
	return n;
}

typedef VEC(struct link) link_vec;

/* Devices that the operation may take away: what stands on a device goes with it. */
static void note_endangered(const struct kernel_fake *k, const struct op *op, link_vec *ret)
{
	bool is_group = op->kind == OP_GROUP_DELETE;

	if (!is_group && op->kind != OP_LINK_DELETE)
		return;
	vec_each(link, &k->state.links)
		if (link->parent || (is_group ? link->group == op->link.group
					      : !strcmp(link->name, op->link.name)))
			vec_push(ret, *link);
}

static void tell_gone(struct kernel_fake *k, const link_vec *endangered)
{
	vec_each(link, endangered)
		if (!snapshot_link_by_index(&k->state, link->ifindex))
			tell_link(k, KERNEL_EVENT_LINK_GONE, link);
}

/* What hangs on a device that went: a TAP's descriptors, a veth's other end. */
static void drop_ends(struct kernel_fake *k, const char *name)
{
	for (size_t i = k->queues.n; i-- > 0;)
		if (!strcmp(k->queues.v[i].name, name)) {
			close(k->queues.v[i].fd);
			vec_remove(&k->queues, i);
		}
	for (size_t i = k->insides.n; i-- > 0;)
		if (!strcmp(k->insides.v[i].outside, name)) {
			free(k->insides.v[i].netns);
			vec_remove(&k->insides, i);
		}
}

void kernel_fake_link_gone(struct kernel *base, const char *name)
{
	struct kernel_fake *k = self(base);
	struct op op = {.kind = OP_LINK_DELETE, .link.force = true};
	link_vec endangered = {0};

	snprintf(op.link.name, sizeof(op.link.name), "%s", name);
	note_endangered(k, &op, &endangered);
	op_apply(&op, &k->state, NULL);
	vec_each(link, &endangered)
		if (!snapshot_link_by_index(&k->state, link->ifindex))
			drop_ends(k, link->name);
	tell_gone(k, &endangered);
	vec_free(&endangered);
}

/* A TAP has carrier while it is open. */
static void set_carrier(struct kernel_fake *k, const char *name, bool on)
{
	struct link *link = (struct link *)snapshot_link(&k->state, name);

	if (on)
		link->flags |= CARRIER;
	else
		link->flags &= ~(uint32_t)CARRIER;
	if (link->master && link->flags & IFF_UP)
		link->port.state = on ? PORT_FORWARDING : PORT_DISABLED;
	tell_link(k, KERNEL_EVENT_LINK_NEW, link);
}

/* Takes the frames that were written, and the queues whose descriptors are all closed. */
static void look_at_queues(struct kernel_fake *k)
{
	char frame[2048], name[16];

	for (size_t i = k->queues.n; i-- > 0;) {
		struct fake_queue *queue = &k->queues.v[i];
		const struct link *link;
		ssize_t n;

		do
			n = recv(queue->fd, frame, sizeof(frame), MSG_DONTWAIT);
		while (n > 0);
		if (n < 0)
			continue;
		memcpy(name, queue->name, sizeof(name));
		close(queue->fd);
		vec_remove(&k->queues, i);
		if (queues_of(k, name))
			continue;
		link = snapshot_link(&k->state, name);
		if (link && !strcmp(link->kind, "tun") && !link->tun.is_persistent) {
			kernel_fake_link_gone(&k->base, name);
			i = k->queues.n; /* nothing else of it is left: begin anew */
		} else if (link && !strcmp(link->kind, "tun")) {
			set_carrier(k, name, false);
		}
	}
}

static size_t fake_fds(struct kernel *base, int ret_fds[KERNEL_FDS_MAX])
{
	ret_fds[0] = self(base)->epoll;
	return 1;
}

static int fake_dispatch(struct kernel *base, kernel_handler handler, void *context,
			 struct vnet_error *err)
{
	struct kernel_fake *k = self(base);
	uint64_t count;
	size_t n;

	(void)err;
	look_at_queues(k);
	n = k->events.n < KERNEL_EVENTS_PER_DISPATCH ? k->events.n : KERNEL_EVENTS_PER_DISPATCH;
	for (size_t i = 0; i < n; i++) {
		/* By value: the handler may run operations, whose events come behind. */
		struct kernel_event event = k->events.v[i];

		handler(context, &event);
	}
	memmove(k->events.v, k->events.v + n, (k->events.n - n) * sizeof(*k->events.v));
	k->events.n -= n;
	if (!k->events.n && read(k->event_fd, &count, sizeof(count)) < 0)
		return 0; /* it was not readable */
	return 0;
}

/* Reading. */

#define COPY(to, from) \
	do { \
		if ((from)->n) { \
			vec_reserve((to), (from)->n); \
			memcpy((to)->v, (from)->v, (from)->n * sizeof(*(from)->v)); \
		} \
		(to)->n = (from)->n; \
	} while (0)

static int fake_snapshot(struct kernel *base, unsigned parts, struct snapshot *ret,
			 struct vnet_error *err)
{
	const struct snapshot *state = &self(base)->state;

	(void)err;
	if (parts & SNAPSHOT_BY_LINK)
		parts |= SNAPSHOT_LINKS;
	if (parts & SNAPSHOT_LINKS)
		COPY(&ret->links, &state->links);
	if (parts & SNAPSHOT_ADDRS)
		COPY(&ret->addrs, &state->addrs);
	if (parts & SNAPSHOT_ROUTES)
		COPY(&ret->routes, &state->routes);
	if (parts & SNAPSHOT_VLANS)
		COPY(&ret->vlans, &state->vlans);
	if (parts & SNAPSHOT_FDB)
		COPY(&ret->fdb, &state->fdb);
	if (parts & SNAPSHOT_SHAPERS) {
		COPY(&ret->shapers, &state->shapers);
		COPY(&ret->shaper_roots, &state->shaper_roots);
	}
	if (parts & SNAPSHOT_VFS)
		COPY(&ret->vfs, &state->vfs);
	if (parts & SNAPSHOT_NFT && state->nft)
		ret->nft = nft_ruleset_copy(state->nft);
	return 0;
}

static int fake_read_sysctls(struct kernel *base, struct snapshot *snap, struct vnet_error *err)
{
	size_t kept = 0;

	(void)err;
	for (size_t i = 0; i < snap->sysctls.n; i++) {
		struct sysctl *s = &snap->sysctls.v[i];

		if (snapshot_sysctl(&self(base)->state, s->path, &s->value) == 0)
			snap->sysctls.v[kept++] = *s;
	}
	snap->sysctls.n = kept;
	return 0;
}

/* Operations. */

static int fails_now(struct kernel_fake *k, const char *what, struct vnet_error *err)
{
	if (!k->fail_in || --k->fail_in)
		return 0;
	return kernel_error(err, k->fail_number, "the fake kernel was told to", "%s", what);
}

/* op_apply() grows missing ones; a kernel has those that it has. */
static int check_sysctl(const struct kernel_fake *k, const struct op_sysctl *op,
			struct vnet_error *err)
{
	int64_t value;

	if (op->optional || snapshot_sysctl(&k->state, op->sysctl.path, &value) == 0)
		return 0;
	return kernel_error(err, -ENOENT, NULL, "/proc/sys/%s: cannot write it", op->sysctl.path);
}

static int check_name(const struct op *op, struct vnet_error *err)
{
	const char *name = op->kind == OP_TAP_CREATE ? op->tap.name : op->link.name;

	if (op->kind != OP_BRIDGE_CREATE && op->kind != OP_LINK_CREATE &&
	    op->kind != OP_TAP_CREATE && op->kind != OP_LINK_SET)
		return 0;
	return kernel_ifname_ok(name) ? 0 : vnet_error_set(err, -EINVAL, "bad-name",
							   "\"%.15s\" is not a device name", name);
}

static void tell_op(struct kernel_fake *k, const struct op *op)
{
	struct kernel_event event = {.kind = KERNEL_EVENT_ADDR};

	switch (op->kind) {
	case OP_BRIDGE_CREATE:
	case OP_LINK_CREATE:
	case OP_LINK_SET:
		tell_link(k, KERNEL_EVENT_LINK_NEW, snapshot_link(&k->state, op->link.name));
		break;
	case OP_TAP_CREATE:
		tell_link(k, KERNEL_EVENT_LINK_NEW, snapshot_link(&k->state, op->tap.name));
		break;
	case OP_ADDR_ADD:
	case OP_ADDR_DEL: {
		const struct link *link = snapshot_link(&k->state, op->addr.ifname);

		if (link) {
			event.link.ifindex = link->ifindex;
			kernel_fake_event(&k->base, &event);
		}
		break;
	}
	case OP_FDB_ADD:
	case OP_FDB_DEL: {
		const struct link *link = snapshot_link(&k->state, op->fdb.ifname);

		event.kind = KERNEL_EVENT_FDB;
		if (link && k->watches_fdb) {
			event.link.ifindex = link->ifindex;
			kernel_fake_event(&k->base, &event);
		}
		break;
	}
	default:
		break;
	}
}

static int run_op(struct kernel_fake *k, const struct op *op, struct vnet_error *err)
{
	link_vec endangered = {0};
	AUTO_FREE char *text = op_to_text(op);
	int r = fails_now(k, text, err);

	if (r >= 0)
		r = check_name(op, err);
	if (r >= 0 && op->kind == OP_SYSCTL)
		r = check_sysctl(k, &op->sysctl, err);
	if (r >= 0 && op->kind == OP_SERVICE)
		r = vnet_error_set(err, -EINVAL, "not-for-kernel",
				   "this operation is not for the kernel");
	if (r < 0)
		return r;
	note_endangered(k, op, &endangered);
	r = op_apply(op, &k->state, err);
	if (r < 0)
		vnet_error_prefix(err, "%s", text);
	else
		tell_op(k, op);
	vec_each(link, &endangered)
		if (!snapshot_link_by_index(&k->state, link->ifindex))
			drop_ends(k, link->name);
	tell_gone(k, &endangered);
	vec_free(&endangered);
	return r;
}

static int fake_execute(struct kernel *base, const struct op *ops, size_t n, size_t *ret_done,
			struct vnet_error *err)
{
	int r = 0;

	for (*ret_done = 0; *ret_done < n && r >= 0; *ret_done += r >= 0)
		r = run_op(self(base), &ops[*ret_done], err);
	return r;
}

/* TAPs. */

static int check_tap(const struct kernel_fake *k, const struct kernel_tap *tap,
		     struct vnet_error *err)
{
	const struct link *link = snapshot_link(&k->state, tap->name);

	if (!tap->must_exist)
		return link ? vnet_error_set(err, -EEXIST, "device-exists",
					     "TAP %s: a device of this name exists already",
					     tap->name)
			    : 0;
	if (!link)
		return vnet_error_set(err, -ENODEV, "no-device", "TAP %s: there is no such device",
				      tap->name);
	if (strcmp(link->kind, "tun") || !link->tun.is_tap ||
	    link->tun.is_multi_queue != tap->multi_queue)
		return vnet_error_set(err, -EINVAL, "tap-differs",
				      "TAP %s: the device is not a TAP or has other flags (queues)",
				      tap->name);
	if (!tap->multi_queue && queues_of(k, tap->name))
		return kernel_error(err, -EBUSY, NULL, "TAP %s: cannot open it", tap->name);
	return 0;
}

/* Through the operation, for its event and all that comes with a device. */
static int make_device(struct kernel_fake *k, const struct kernel_tap *tap, struct vnet_error *err)
{
	struct link *link;
	struct op op = {.kind = OP_TAP_CREATE,
			.tap = {.multi_queue = tap->multi_queue, .vnet_hdr = tap->vnet_hdr,
				.group = UINT32_MAX}};
	int r;

	memcpy(op.tap.name, tap->name, sizeof(op.tap.name));
	r = op_apply(&op, &k->state, err);
	if (r < 0)
		return r;
	link = (struct link *)snapshot_link(&k->state, tap->name);
	link->tun.is_persistent = tap->persistent;
	if (tap->persistent)
		memcpy(link->alias, tap->alias, sizeof(link->alias));
	tell_op(k, &op);
	return 0;
}

static int open_queue(struct kernel_fake *k, const char *name, int *ret_fd, struct vnet_error *err)
{
	struct epoll_event wanted = {.events = EPOLLRDHUP};
	struct fake_queue queue = {0};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return kernel_error(err, -errno, NULL, "TAP %s: cannot open it", name);
	wanted.data.fd = queue.fd = pair[0];
	memcpy(queue.name, name, sizeof(queue.name));
	if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, pair[0], &wanted) < 0) {
		close(pair[0]);
		close(pair[1]);
		return kernel_error(err, -errno, NULL, "TAP %s: cannot watch it", name);
	}
	vec_push(&k->queues, queue);
	*ret_fd = pair[1];
	return 0;
}

/* All of them, or none. */
static int open_queues(struct kernel_fake *k, const char *name, unsigned queues, int *ret_fds,
		       struct vnet_error *err)
{
	int r = 0;

	for (unsigned i = 0; i < queues && r >= 0; i++)
		r = open_queue(k, name, &ret_fds[i], err);
	for (unsigned i = 0; r < 0 && i < queues; i++) {
		if (ret_fds[i] >= 0)
			close(ret_fds[i]);
		ret_fds[i] = -1;
	}
	return r;
}

static int fake_tap_open(struct kernel *base, struct kernel_tap *tap, struct vnet_error *err)
{
	struct kernel_fake *k = self(base);
	char what[40];
	int r;

	look_at_queues(k);
	snprintf(what, sizeof(what), "TAP %s", tap->name);
	r = fails_now(k, what, err);
	if (r >= 0)
		r = check_tap(k, tap, err);
	if (r >= 0 && !tap->must_exist)
		r = make_device(k, tap, err);
	if (r >= 0)
		r = open_queues(k, tap->name, tap->queues, tap->ret_fds, err);
	if (r < 0)
		return r;
	set_carrier(k, tap->name, true);
	tap->ret_ifindex = snapshot_link(&k->state, tap->name)->ifindex;
	return 0;
}

/* Macvtap devices, and interfaces in other namespaces. */

/* As somebody's OP_LINK_CREATE, told as such. */
static int make_link(struct kernel_fake *k, struct op *op, const char *kind, const char *name,
		     const char *parent, struct vnet_error *err)
{
	int r;

	op->kind = OP_LINK_CREATE;
	snprintf(op->link.kind, sizeof(op->link.kind), "%s", kind);
	snprintf(op->link.name, sizeof(op->link.name), "%s", name);
	snprintf(op->link.parent, sizeof(op->link.parent), "%s", parent);
	if (snapshot_link(&k->state, name))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already", name);
	r = op_apply(op, &k->state, err);
	if (r >= 0)
		tell_op(k, op);
	return r;
}

static int make_macvtap(struct kernel_fake *k, const struct kernel_macvtap *macvtap,
			struct vnet_error *err)
{
	struct op op = {.link = {.mac = macvtap->mac, .macvlan.mode = macvtap->mode}};

	memcpy(op.link.alias, macvtap->alias, sizeof(op.link.alias));
	return make_link(k, &op, "macvtap", macvtap->name, macvtap->parent, err);
}

static int check_macvtap(const struct kernel_fake *k, const struct kernel_macvtap *macvtap,
			 struct vnet_error *err)
{
	const struct link *link = snapshot_link(&k->state, macvtap->name);

	if (!link)
		return vnet_error_set(err, -ENODEV, "no-device",
				      "macvtap %s: there is no such device", macvtap->name);
	if (strcmp(link->kind, "macvtap") || strcmp(link->alias, macvtap->alias))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already, not this macvtap of ours",
				      macvtap->name);
	return 0;
}

static int fake_macvtap_open(struct kernel *base, struct kernel_macvtap *macvtap,
			     struct vnet_error *err)
{
	struct kernel_fake *k = self(base);
	char what[40];
	int r;

	look_at_queues(k);
	snprintf(what, sizeof(what), "macvtap %s", macvtap->name);
	r = fails_now(k, what, err);
	if (r >= 0)
		r = macvtap->must_exist ? check_macvtap(k, macvtap, err)
					: make_macvtap(k, macvtap, err);
	if (r < 0)
		return r;
	r = open_queues(k, macvtap->name, macvtap->queues, macvtap->ret_fds, err);
	if (r < 0 && !macvtap->must_exist)
		kernel_fake_link_gone(base, macvtap->name);
	else
		macvtap->ret_ifindex = snapshot_link(&k->state, macvtap->name)->ifindex;
	return r;
}

static int check_netns(const char *path, struct vnet_error *err)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return kernel_error(err, -errno, NULL, "namespace %s", path);
	if (fs.f_type != NSFS_MAGIC)
		return vnet_error_set(err, -EINVAL, "bad-netns",
				      "%s is not a network namespace", path);
	return 0;
}

static struct fake_inside *find_inside(struct kernel_fake *k, const char *netns, const char *ifname)
{
	vec_each(inside, &k->insides)
		if (!strcmp(inside->netns, netns) && !strcmp(inside->ifname, ifname))
			return inside;
	return NULL;
}

static int fake_inside_create(struct kernel *base, struct kernel_inside *inside,
			      struct vnet_error *err)
{
	const char *ifname = inside->inside->ifname[0] ? inside->inside->ifname : "eth0";
	struct op op = {.link = {.mtu = inside->mtu}};
	struct kernel_fake *k = self(base);
	struct fake_inside new = {0};
	struct link *link;
	char what[40];
	int r;

	snprintf(what, sizeof(what), "%s in a namespace", inside->kind);
	r = fails_now(k, what, err);
	if (r >= 0)
		r = check_netns(inside->netns, err);
	if (r >= 0 && find_inside(k, inside->netns, ifname))
		r = vnet_error_set(err, -EEXIST, "device-exists",
				   "namespace %s has a device named %s already", inside->netns,
				   ifname);
	if (r >= 0 && !strcmp(inside->kind, "veth")) {
		memcpy(op.link.alias, inside->alias, sizeof(op.link.alias));
		r = make_link(k, &op, "veth", inside->name, "", err);
	} else if (r >= 0 && !snapshot_link(&k->state, inside->parent)) {
		r = vnet_error_set(err, -ENODEV, "no-device", "no device %s", inside->parent);
	}
	if (r < 0)
		return r;
	if (!strcmp(inside->kind, "veth")) {
		link = (struct link *)snapshot_link(&k->state, inside->name);
		link->has_netns_peer = true;
		inside->ret_ifindex = link->ifindex;
		memcpy(new.outside, inside->name, sizeof(new.outside));
	} else {
		inside->ret_ifindex = k->next_inside + 2;
	}
	new.ifindex = 2 + k->next_inside++;
	new.netns = mem_strdup(inside->netns);
	snprintf(new.ifname, sizeof(new.ifname), "%s", ifname);
	vec_push(&k->insides, new);
	return 0;
}

static int fake_inside_delete(struct kernel *base, const char *netns, const char *ifname,
			      struct vnet_error *err)
{
	struct kernel_fake *k = self(base);
	struct fake_inside *inside = find_inside(k, netns, ifname);

	(void)err;
	if (!inside)
		return 0;
	if (inside->outside[0]) {
		kernel_fake_link_gone(base, inside->outside);
		return 0;
	}
	free(inside->netns);
	vec_remove(&k->insides, (size_t)(inside - k->insides.v));
	return 0;
}

static int fake_inside_find(struct kernel *base, const char *netns, int ifindex, char ret_name[16],
			    struct vnet_error *err)
{
	vec_each(inside, &self(base)->insides)
		if (!strcmp(inside->netns, netns) && inside->ifindex == ifindex) {
			memcpy(ret_name, inside->ifname, sizeof(inside->ifname));
			return 0;
		}
	return vnet_error_set(err, -ENOENT, "no-device", "namespace %s has no device with index %d",
			      netns, ifindex);
}

/* As a card at 03:00.0 numbers them whose functions begin at device 16. */
static int fake_vf_address(struct kernel *base, const char *ifname, unsigned vf, char ret[32],
			   struct vnet_error *err)
{
	const struct snapshot *state = &self(base)->state;
	const struct link *link = snapshot_link(state, ifname);

	if (!link)
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s", ifname);
	vec_each(have, &state->vfs)
		if (have->ifindex == link->ifindex && have->index == vf) {
			snprintf(ret, 32, "0000:03:%02x.%u", 16 + vf / 8, vf % 8);
			return 0;
		}
	return vnet_error_set(err, -ENODEV, "no-vf", "%s has no virtual function %u", ifname, vf);
}

static int fake_find_link(struct kernel *base, const char *name, struct link *ret,
			  struct vnet_error *err)
{
	const struct link *link = snapshot_link(&self(base)->state, name);

	(void)err;
	if (!link)
		return -ENODEV;
	*ret = *link;
	return 0;
}

static int fake_vhost_open(struct kernel *base, unsigned n, int *ret_fds, struct vnet_error *err)
{
	(void)base;
	for (unsigned i = 0; i < n; i++)
		ret_fds[i] = -1;
	return kernel_error(err, -ENOENT, NULL, "/dev/vhost-net");
}

/* Small queries. */

void kernel_fake_add_fdb(struct kernel *base, const struct fdb_entry *entry)
{
	vec_push(&self(base)->fdb, *entry);
}

static int fake_list_fdb(struct kernel *base, int bridge, fdb_vec *ret, struct vnet_error *err)
{
	struct kernel_fake *k = self(base);

	(void)err;
	vec_each(entry, &k->fdb) {
		const struct link *port = snapshot_link_by_index(&k->state, entry->ifindex);

		if (port && (port->master == bridge || port->ifindex == bridge))
			vec_push(ret, *entry);
	}
	return 0;
}

void kernel_fake_count_drops(struct kernel *base, const char *ifname, unsigned reason,
			     uint64_t packets, uint64_t bytes)
{
	struct drop_counter *counter = vec_add(&self(base)->drops);

	snprintf(counter->ifname, sizeof(counter->ifname), "%s", ifname);
	counter->reason = reason;
	counter->packets = packets;
	counter->bytes = bytes;
}

static int fake_drop_counters(struct kernel *base, const char *ifname, drop_counter_vec *ret,
			      struct vnet_error *err)
{
	(void)err;
	vec_each(counter, &self(base)->drops)
		if (!ifname || !strcmp(counter->ifname, ifname))
			vec_push(ret, *counter);
	return 0;
}

/* Nobody else filters or listens here. */
static int fake_read_filters(struct kernel *base, filter_table_vec *ret, struct vnet_error *err)
{
	(void)base;
	(void)ret;
	(void)err;
	return 0;
}

static int fake_fix_filters(struct kernel *base, const fix_rule_vec *add, const fix_present_vec *remove,
			    struct vnet_error *err)
{
	(void)base;
	if (add->n || remove->n)
		return vnet_error_set(err, -EAGAIN, "rules-refused", "no such chain");
	return 0;
}

static int fake_ask_route(struct kernel *base, const char *iif, const struct ip *from, const struct ip *to,
			  char ret_oif[16])
{
	(void)base;
	(void)iif;
	(void)from;
	(void)to;
	ret_oif[0] = '\0';
	return 0;
}

static void fake_list_listeners(struct kernel *base, doctor_socket_vec *ret)
{
	(void)base;
	(void)ret;
}

/* Nobody is out there: no answer, as on a wire without neighbours. */
/* Its events are those of kernel_fake_event(). */
static int fake_trace(struct kernel *base, bool is_on, struct vnet_error *err)
{
	(void)base;
	(void)is_on;
	(void)err;
	return 0;
}

/* It has no rules but ours. */
static int fake_read_place(struct kernel *base, const struct filter_place *place, filter_table_vec *ret,
			   struct vnet_error *err)
{
	struct filter_table *table = vec_add(ret);

	(void)base;
	(void)err;
	table->family = place->family;
	table->name = mem_strdup(place->table);
	return 0;
}

static int fake_watch_fdb(struct kernel *base, struct vnet_error *err)
{
	(void)err;
	self(base)->watches_fdb = true;
	return 0;
}

static int fake_probe_neigh(struct kernel *base, const char *ifname, const struct ip *ip,
			    struct vnet_error *err)
{
	const struct link *link = snapshot_link(&self(base)->state, ifname);
	struct kernel_event event = {.kind = KERNEL_EVENT_NEIGH, .ip = *ip};

	if (!link)
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s", ifname);
	event.link.ifindex = link->ifindex;
	kernel_fake_event(base, &event);
	return 0;
}

static bool fake_has_conntrack(struct kernel *base)
{
	(void)base;
	return true;
}

/* Its frames go nowhere. */
static int fake_list_flows(struct kernel *base, ip_vec *addresses, flow_vec *ret,
			   struct vnet_error *err)
{
	(void)base;
	(void)addresses;
	(void)ret;
	(void)err;
	return 0;
}

static int fake_change_flow(struct kernel *base, const struct kernel_flow *flow,
			    enum flow_change change, struct vnet_error *err)
{
	(void)base;
	(void)flow;
	(void)change;
	(void)err;
	return 0;
}

static bool fake_guards_checksums(struct kernel *base, const char **ret_why)
{
	(void)base;
	*ret_why = NULL;
	return true;
}

static const char *fake_note(struct kernel *base, size_t i)
{
	(void)base;
	(void)i;
	return NULL;
}

void kernel_fake_fail(struct kernel *base, size_t nth, int number)
{
	self(base)->fail_in = nth;
	self(base)->fail_number = number;
}

struct snapshot *kernel_fake_state(struct kernel *base)
{
	return &self(base)->state;
}

static const struct kernel_ops fake_ops = {
	.free = fake_free,
	.fds = fake_fds,
	.dispatch = fake_dispatch,
	.snapshot = fake_snapshot,
	.read_sysctls = fake_read_sysctls,
	.execute = fake_execute,
	.find_link = fake_find_link,
	.tap_open = fake_tap_open,
	.macvtap_open = fake_macvtap_open,
	.inside_create = fake_inside_create,
	.inside_delete = fake_inside_delete,
	.inside_find = fake_inside_find,
	.vf_address = fake_vf_address,
	.vhost_open = fake_vhost_open,
	.list_fdb = fake_list_fdb,
	.drop_counters = fake_drop_counters,
	.read_filters = fake_read_filters,
	.fix_filters = fake_fix_filters,
	.ask_route = fake_ask_route,
	.list_listeners = fake_list_listeners,
	.watch_fdb = fake_watch_fdb,
	.trace = fake_trace,
	.read_place = fake_read_place,
	.probe_neigh = fake_probe_neigh,
	.note = fake_note,
	.has_conntrack = fake_has_conntrack,
	.guards_checksums = fake_guards_checksums,
	.list_flows = fake_list_flows,
	.change_flow = fake_change_flow,
};
