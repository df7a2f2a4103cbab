/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_FIX_H
#define VNET_NFT_FIX_H

/*
 * fix.h - the doctor's accept rules, put into others' chains and taken away again
 *
 * The only rules that we write outside our tables, and only when root asks for them.
 * They are written as iptables-nft writes its own, so that it lists them
 * (-m comment --comment vnet-doctor), and carry FILTER_TAG as their comment, by
 * which they are found again.
 */

#include "doctor/doctor.h"
#include "nft/netlink.h"

/*
 * One transaction, all or nothing: `remove` goes, `add` comes.  -EAGAIN: a chain or
 * rule that it names is gone: read the filters again; others are the kernel's refusal.
 */
int nft_fix(struct mnl_socket *socket, const fix_rule_vec *add, const fix_present_vec *remove,
	    struct vnet_error *err);

#endif
