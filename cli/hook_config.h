/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HOOK_CONFIG_H
#define CLI_HOOK_CONFIG_H

/*
 * hook_config.h - /etc/vnet/libvirt.yaml, what libvirt's domains may ask of netd
 *
 *	user: libvirt-qemu
 *
 * With it the domains' ports are asked for as that user, and access.yaml says what
 * he may have. Without the file they are root's, who may have everything: so may
 * whoever can define domains, unless he is told otherwise.
 */

#include "vnet/error.h"

#define HOOK_CONFIG_DEFAULT VNET_SYSCONFDIR "/libvirt.yaml"

/* Takes on the user that the file names, if it names one. path NULL: the default, which need not be there. */
int hook_config_become_user(const char *path, struct vnet_error *err);

#endif
