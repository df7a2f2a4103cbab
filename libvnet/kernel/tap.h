/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_TAP_H
#define VNET_KERNEL_TAP_H

/* tap.h - TAP devices: only ioctl can make them, rtnetlink cannot */

#include "kernel/kernel.h"

/* kernel_tap_open(), but for what makes it persistent; control is any socket of the namespace. */
int tap_open(int control, struct kernel_tap *tap, struct vnet_error *err);
void tap_close(struct kernel_tap *tap);
/*
 * A TAP of OP_TAP_CREATE, not persistent yet, or an existing one of the same
 * name to be checked by the caller (-EEXIST).  tap_keep() makes it outlive the
 * descriptor, as the last step.
 */
int tap_create(const struct op_tap *op, int *ret_fd, struct vnet_error *err);
int tap_keep(int fd, const struct op_tap *op, struct vnet_error *err);
/* For descriptors of TAPs and macvtaps; what and name: for errors. */
int tap_flags(bool multi_queue, bool vnet_hdr); /* IFF_* for TUNSETIFF */
int tap_set_header(int fd, const char *what, const char *name, struct vnet_error *err);
int tap_set_offload(int fd, bool on, const char *what, const char *name, struct vnet_error *err);
/* kernel_vhost_open() */
int vhost_open(unsigned n, int *ret_fds, struct vnet_error *err);

/* Of a device that ought to exist; 0: it does not, which is slow: the kernel asks modprobe. */
int device_index(int control, const char *name);
/* false: no such device. */
bool device_name(int control, int ifindex, char ret[16]);

#endif
