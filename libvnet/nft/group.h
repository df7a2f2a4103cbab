/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_GROUP_H
#define VNET_NFT_GROUP_H

/* group.h - security groups as rules; private to nft/ but for compile.c's callers */

#include "nft/ast.h"

/* compile_group.c: every group's chains, and what leads to them. */
void nft_compile_groups(struct nft_ruleset *rs, const struct nft_groups *groups,
			const struct network *const *nets, size_t n_nets,
			const struct port *const *ports, size_t n_ports);
/* The port's part of what they look up. Appended, unique. */
void nft_group_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret);

#endif
