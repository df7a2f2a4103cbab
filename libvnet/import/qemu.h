/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_QEMU_H
#define VNET_IMPORT_QEMU_H

/*
 * qemu.h - what a qemu-ifup script or bridge.conf does, as networks of ours
 *
 * Nothing is run.  A script is read line by line as the handful of commands that
 * such scripts are made of: brctl, ip, ifconfig, iptables, ebtables, dnsmasq,
 * sysctl.  What is done here without being told is reported as such, and what
 * was not understood with its line; a person has to look at the result.
 */

#include "import/report.h"
#include "model/network.h"

struct qemu_import;

struct qemu_import *qemu_import_new(void);
void qemu_import_free(struct qemu_import *q);
DEFINE_AUTO(struct qemu_import, qemu_import_free);

/* One file; several may speak of one bridge.  The report is this file's. */
void qemu_import_read(struct qemu_import *q, const char *text, struct import_report *report);

/*
 * The networks of all bridges that were seen; rest: what was found and has no
 * place in them.  -EINVAL says what the model does not accept.
 */
int qemu_import_finish(struct qemu_import *q, network_vec *ret, struct import_report *rest,
		       struct vnet_error *err);

#endif
