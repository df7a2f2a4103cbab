/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * egress.c - addresses that names have led to come and go; see model/egress.h
 *
 * dnsmasq puts them into the kernel's sets; netd empties the sets of one
 * generation after an hour (`egress_hold`), and of the other after the next.  Where it has just made a
 * set, dnsmasq must forget what it has answered: it would answer from its cache
 * with addresses that are in no set.
 */

#include "netd/netd.h"

#include "netd/log.h"
#include "nft/ruleset.h"

static void age(void *arg)
{
	struct netd *d = arg;
	VEC(const struct network *) nets = { 0 };
	struct op op = { .kind = OP_NFT };
	struct vnet_error err = { 0 };
	size_t done;

	vec_each(entry, &d->registry.networks)
		if ((*entry)->is_wanted && (*entry)->state == NETWORK_RUNNING)
			vec_push(&nets, (*entry)->net);
	op.nft = nft_txn_for_aging(nets.v, nets.n, d->egress_generation++ % EGRESS_GENERATIONS);
	if (!nft_txn_is_empty(op.nft) && kernel_execute(d->kernel, &op, 1, &done, &err) < 0) {
		log_warning("addresses of egress names: %s; looking again", err.message);
		reconcile_later(d, 0);
	}
	nft_txn_free(op.nft);
	vec_free(&nets);
	egress_start(d);
}

void egress_start(struct netd *d)
{
	loop_remove(d->egress_timer);
	d->egress_timer = NULL;
	loop_timer_add(d->loop, d->settings.egress_hold * UINT64_C(1000000), age, d, &d->egress_timer);
}

void egress_refresh(struct netd *d, const op_vec *ops)
{
	vec_each(op, ops) {
		if (op->kind != OP_NFT)
			continue;
		vec_each(entry, &d->registry.networks)
			if (network_has_egress_names((*entry)->net) &&
			    nft_txn_adds_names(op->nft, (*entry)->net))
				dnsmasq_refresh(d->dnsmasq, (*entry)->net->name);
	}
}
