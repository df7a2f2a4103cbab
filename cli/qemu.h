/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_QEMU_H
#define CLI_QEMU_H

/* qemu.h - reading and making QEMU's command line; pure */

#include <stdbool.h>

/* The guest's name from "-name NAME" or "-name guest=NAME,…" among the words; NULL if there is none. */
char *qemu_guest_name(char *const *words, unsigned long n);

/* Devices that know queues and vhost. */
bool qemu_model_is_virtio(const char *model);

/*
 * "virtio-net-pci,netdev=x,mac=…" with another model in front, without the
 * properties that it does not have: vectors is of PCI, mq and host_mtu of virtio.
 */
char *qemu_device_with_model(const char *device, const char *model);

#endif
