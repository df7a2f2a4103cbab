/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_EXECUTE_H
#define VNET_KERNEL_EXECUTE_H

/*
 * execute.h - how operations run on Linux: the table of execute.c and its parts
 *
 * An operation is either gathered with its neighbours into one send, or runs
 * alone.  gather() adds its messages to k->rt, none when nothing is to be done.
 * When one of them failed, settle() looks once more whether all is as it should
 * be: 0 then; it may send more.  Without settle() a failure is one.
 */

#include "kernel/linux.h"
#include "plan/op.h"

#define OP_MESSAGES_MAX 5       /* of one operation */

struct op_answers {
	const struct nl_answer *v; /* of each message, in order */
	unsigned n;
	struct nl_answer failed; /* the first that failed, then what settle() failed with */
};

struct op_runner {
	int (*gather)(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
	int (*settle)(struct kernel_linux *k, const struct op *op, struct op_answers *answers);
	int (*run)(struct kernel_linux *k, const struct op *op, struct vnet_error *err); /* alone */
};

/* Sets err for an operation that the kernel refused; returns number. */
int op_error(const struct op *op, int number, const char *text, struct vnet_error *err);
int op_no_device(const char *name, struct vnet_error *err);
/* Sends what was added; the first failure of it, in *ret_answer, too. */
int op_send(struct kernel_linux *k, struct nl_answer *ret_answer);
/* The device of an operation: 1 when it is gone and that is fine. */
int op_resolve(struct kernel_linux *k, const char *name, bool may_be_gone, int *ret,
	       struct vnet_error *err);

/* execute_link.c */
int link_create_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int link_create_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers);
int link_set_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int link_set_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers);
int link_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int group_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int tap_create_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int vlan_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int vlan_settle(struct kernel_linux *k, const struct op *op, struct op_answers *answers);
int fdb_add_gather(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int fdb_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err);

#endif
