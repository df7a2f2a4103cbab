/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_TRACE_H
#define VNET_KERNEL_TRACE_H

/* trace.h - messages of nftables' tracing and of the log, read as values; private to kernel/ */

#include "kernel/kernel.h"

struct nlmsghdr;

/* NFT_MSG_TRACE. -EINVAL: it is something else, or not complete. */
int trace_parse(const struct nlmsghdr *m, struct trace_message *ret);
/* NFULNL_MSG_PACKET of log group NFLOG_GROUP_TRACE. -EINVAL as above. */
int trace_parse_sample(const struct nlmsghdr *m, struct trace_sample *ret);

#endif
