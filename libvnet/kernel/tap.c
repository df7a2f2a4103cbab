/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.c - TAP devices
 *
 * A device is made exclusively (IFF_TUN_EXCL): a TAP that somebody else left
 * is never taken for ours.  Header size and offloads belong to the device, not
 * to the queue, so they are set once; QEMU sets them again as its guest wants.
 * macvtap.c shares what its descriptors have in common with these.
 */

#include "kernel/tap.h"
#include "kernel/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#define VNET_HDR_SIZE 12 /* struct virtio_net_hdr_mrg_rxbuf, and that of virtio 1.0 */

static int open_queue(const char *name, int flags, int *ret_fd, struct vnet_error *err);
static int set_up_header(int fd, const struct kernel_tap *tap, struct vnet_error *err);

int tap_open(int control, struct kernel_tap *tap, struct vnet_error *err)
{
	int flags = tap_flags(tap->multi_queue, tap->vnet_hdr);
	int before = 0, r = 0;
	unsigned i;

	if (tap->must_exist && !(before = device_index(control, tap->name)))
		return vnet_error_set(err, -ENODEV, "no-device", "TAP %s: there is no such device",
				      tap->name);
	for (i = 0; i < tap->queues && r >= 0; i++)
		r = open_queue(tap->name, flags | (i || tap->must_exist ? 0 : IFF_TUN_EXCL),
			       &tap->ret_fds[i], err);
	if (r >= 0)
		r = set_up_header(tap->ret_fds[0], tap, err);
	if (r >= 0) {
		tap->ret_ifindex = device_index(control, tap->name);
		/* Gone before TUNSETIFF, which then made a new one: that goes on close. */
		if (!tap->ret_ifindex || (before && before != tap->ret_ifindex))
			r = vnet_error_set(err, -ENODEV, "no-device",
					   "TAP %s: it was removed while being opened", tap->name);
	}
	if (r < 0)
		tap_close(tap);
	return r;
}

void tap_close(struct kernel_tap *tap)
{
	for (unsigned i = 0; i < tap->queues; i++) {
		if (tap->ret_fds[i] >= 0)
			close(tap->ret_fds[i]);
		tap->ret_fds[i] = -1;
	}
}

int tap_create(const struct op_tap *op, int *ret_fd, struct vnet_error *err)
{
	return open_queue(op->name, tap_flags(op->multi_queue, op->vnet_hdr) | IFF_TUN_EXCL, ret_fd,
			  err);
}

int tap_keep(int fd, const struct op_tap *op, struct vnet_error *err)
{
	if (op->owner != UINT32_MAX && ioctl(fd, TUNSETOWNER, (unsigned long)op->owner) < 0)
		return kernel_error(err, -errno, NULL, "TAP %s: cannot give it to user %u",
				    op->name, op->owner);
	if (op->group != UINT32_MAX && ioctl(fd, TUNSETGROUP, (unsigned long)op->group) < 0)
		return kernel_error(err, -errno, NULL, "TAP %s: cannot give it to group %u",
				    op->name, op->group);
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return kernel_error(err, -errno, NULL, "TAP %s: cannot make it persistent",
				    op->name);
	return 0;
}

int vhost_open(unsigned n, int *ret_fds, struct vnet_error *err)
{
	for (unsigned i = 0; i < n; i++)
		ret_fds[i] = -1;
	for (unsigned i = 0; i < n; i++) {
		ret_fds[i] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		if (ret_fds[i] < 0) {
			/* A node without a module behind it (ENODEV, ENXIO) is none, too. */
			int r = errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;

			while (i--) {
				close(ret_fds[i]);
				ret_fds[i] = -1;
			}
			return kernel_error(err, r, NULL, "/dev/vhost-net");
		}
	}
	return 0;
}

int device_index(int control, const char *name)
{
	struct ifreq ifr = {0};

	if (!kernel_ifname_ok(name))
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(control, SIOCGIFINDEX, &ifr) < 0 ? 0 : ifr.ifr_ifindex;
}

bool device_name(int control, int ifindex, char ret[16])
{
	struct ifreq ifr = {.ifr_ifindex = ifindex};

	if (ioctl(control, SIOCGIFNAME, &ifr) < 0)
		return false;
	snprintf(ret, 16, "%.15s", ifr.ifr_name);
	return true;
}

static int open_queue(const char *name, int flags, int *ret_fd, struct vnet_error *err)
{
	struct ifreq ifr = {.ifr_flags = (short)flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0)
		return kernel_error(err, -errno, NULL, "TAP %s: cannot open /dev/net/tun", name);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = -errno;
		close(fd);
		/* EBUSY for a TAP that exists, EINVAL for another device of the name. */
		if (flags & IFF_TUN_EXCL && (r == -EBUSY || r == -EINVAL || r == -EEXIST))
			return vnet_error_set(err, -EEXIST, "device-exists",
					      "TAP %s: a device of this name exists already", name);
		if (r == -EINVAL)
			return vnet_error_set(err, r, "tap-differs",
					      "TAP %s: it is not a TAP or has other flags (queues)",
					      name);
		return kernel_error(err, r, NULL, "TAP %s: cannot open it", name);
	}
	/* One of nobody's is anybody's who may open /dev/net/tun: to add a queue, or to take an idle one's place. */
	if (flags & IFF_TUN_EXCL && ioctl(fd, TUNSETOWNER, 0UL) < 0) {
		r = kernel_error(err, -errno, NULL, "TAP %s: cannot keep others from it", name);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int set_up_header(int fd, const struct kernel_tap *tap, struct vnet_error *err)
{
	int r;

	if (!tap->vnet_hdr)
		return 0;
	r = tap_set_header(fd, "TAP", tap->name, err);
	if (r < 0 || (!tap->offload && !tap->must_exist)) /* as a new device is */
		return r;
	return tap_set_offload(fd, tap->offload, "TAP", tap->name, err);
}

int tap_set_header(int fd, const char *what, const char *name, struct vnet_error *err)
{
	int size = VNET_HDR_SIZE;

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return kernel_error(err, -errno, NULL, "%s %s: cannot set its header to %d bytes",
				    what, name, size);
	return 0;
}

int tap_set_offload(int fd, bool on, const char *what, const char *name, struct vnet_error *err)
{
	static const unsigned long offloads[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM,
	};

	if (!on && ioctl(fd, TUNSETOFFLOAD, 0UL) >= 0)
		return 0;
	/* An old kernel refuses the whole of a mask with a bit that it does not know. */
	for (size_t i = 0; on && i < ARRAY_SIZE(offloads); i++)
		if (ioctl(fd, TUNSETOFFLOAD, offloads[i]) >= 0)
			return 0;
	return kernel_error(err, -errno, NULL, "%s %s: cannot set its offloads", what, name);
}

int tap_flags(bool multi_queue, bool vnet_hdr)
{
	return IFF_TAP | IFF_NO_PI | (multi_queue ? IFF_MULTI_QUEUE : 0) |
	       (vnet_hdr ? IFF_VNET_HDR : 0);
}
