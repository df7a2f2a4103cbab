/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_CHECKSUM_H
#define VNET_KERNEL_CHECKSUM_H

/*
 * checksum.h - the checksum guard: checksum.bpf.c, loaded once and put on ports
 *
 * To load the programs is one of the things for which CAP_NET_ADMIN is not enough
 * (privileged.h); to put them on a device it is.
 */

#include "kernel/execute.h"
#include "kernel/privileged.h"

/* The object file that clang made of checksum.bpf.c. */
extern const unsigned char checksum_bytes[];
extern const size_t checksum_bytes_size;

extern const char *const checksum_names[CHECKSUM_PROGRAMS];
/* The call of privileged.h; checksum_close() is the caller's to do. */
int checksum_load(struct checksum_program ret[CHECKSUM_PROGRAMS]);
void checksum_close(struct checksum_program programs[CHECKSUM_PROGRAMS]);

/* Loaded when first asked for; NULL, and k->checksum_problem, where that fails. */
const struct checksum_program *checksum_programs(struct kernel_linux *k);
void checksum_forget(struct kernel_linux *k);

/* OP_CHECKSUM_ADD, OP_CHECKSUM_DEL; without programs nothing is added. */
int checksum_add_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int checksum_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
/* Of a port's device. */
enum checksum_guard checksum_read(struct kernel_linux *k, const struct link *link);

#endif
