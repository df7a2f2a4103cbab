/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * checksum.c - the checksum guard: its programs as filters of ports
 *
 * A filter is known as ours by its place (priority and handle) and as the right
 * one by its program's tag, a digest of its instructions.  So a new netd takes
 * those of the former one for its own, though it has loaded the programs anew.
 */

#include "kernel/checksum.h"
#include "kernel/tap.h"
#include "kernel/tc.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#define FILTER_PRIORITY 1       /* before all others: the shaper's takes frames out of their way */
#define FILTER_HANDLE 0x766e
#define BTF_PATH "/sys/kernel/btf/vmlinux"

static const uint32_t hooks[] = {[CHECKSUM_IN] = TC_INGRESS, [CHECKSUM_OUT] = TC_EGRESS};

/* Frames of a bridge's port come in by its device, macvtap sends them out. */
static unsigned direction_of(const char *kind)
{
	return strcmp(kind, "macvtap") ? CHECKSUM_IN : CHECKSUM_OUT;
}

/* The programs, as this process has them. */

static const char *why_not(int number)
{
	if (access(BTF_PATH, R_OK) < 0)
		return "the kernel does not tell its types in " BTF_PATH " (CONFIG_DEBUG_INFO_BTF)";
	if (number == -EPERM || number == -EACCES)
		return "netd may load no programs (CAP_BPF, CAP_PERFMON; no lockdown=confidentiality)";
	return strerrordesc_np(-number);
}

const struct checksum_program *checksum_programs(struct kernel_linux *k)
{
	int r;

	if (k->checksum || k->checksum_problem)
		return k->checksum;
	k->checksum = mem_alloc(CHECKSUM_PROGRAMS * sizeof(*k->checksum));
	r = privileged_get()->checksum(k->checksum);
	if (r < 0) {
		free(k->checksum);
		k->checksum = NULL;
		k->checksum_problem = why_not(r);
	}
	return k->checksum;
}

void checksum_forget(struct kernel_linux *k)
{
	if (k->checksum)
		checksum_close(k->checksum);
	free(k->checksum);
}

/* Filters. */

static struct nlmsghdr *add_filter(struct nl *nl, uint16_t type, uint16_t flags, int ifindex,
				   unsigned d)
{
	struct nlmsghdr *m = tc_add_filter(nl, type, flags, ifindex, hooks[d],
					   FILTER_PRIORITY, FILTER_HANDLE);

	mnl_attr_put_strz(m, TCA_KIND, "bpf");
	return m;
}

static void add_program(struct nl *nl, int ifindex, unsigned d, int fd)
{
	struct nlmsghdr *m = add_filter(nl, RTM_NEWTFILTER, NLM_F_CREATE, ifindex, d);
	struct nlattr *options = mnl_attr_nest_start(m, TCA_OPTIONS);

	mnl_attr_put_u32(m, TCA_BPF_FD, (uint32_t)fd);
	mnl_attr_put_strz(m, TCA_BPF_NAME, checksum_names[d]);
	mnl_attr_put_u32(m, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(m, options);
}

/*
 * In place of an older one without a moment between.  Who shapes the port may have
 * made clsact, or the older ingress, which takes the filter, too.
 */
int checksum_add_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	const struct checksum_program *programs = checksum_programs(k);
	unsigned d = direction_of(op->checksum.kind);
	int ifindex, r;

	if (!programs)
		return 0;
	r = op_resolve(k, op->checksum.ifname, false, &ifindex, err);
	if (r < 0)
		return r;
	tc_add_clsact(&k->rt, ifindex);
	add_program(&k->rt, ifindex, d, programs[d].fd);
	r = nl_send(&k->rt);
	if (r < 0)
		return op_error(op, r, NULL, err);
	for (unsigned i = 0; i < 2; i++) {
		r = k->rt.answers[i].result;
		if (r < 0 && !(i == 0 && r == -EEXIST))
			return op_error(op, r, nl_text(&k->rt, i), err);
	}
	return 0;
}

int checksum_delete_run(struct kernel_linux *k, const struct op *op, struct vnet_error *err)
{
	int ifindex, r;

	r = op_resolve(k, op->checksum.ifname, true, &ifindex, err);
	if (r)
		return r < 0 ? r : 0;
	add_filter(&k->rt, RTM_DELTFILTER, 0, ifindex, direction_of(op->checksum.kind));
	r = nl_send_all(&k->rt, NULL);
	/* -EINVAL: no clsact, hence no filter. */
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return op_error(op, r, nl_text(&k->rt, 0), err);
	tc_drop_clsact(k, ifindex);
	return 0;
}

/* Snapshot. */

static bool is_ours(const struct nlmsghdr *m, const struct checksum_program *program)
{
	const struct nlattr *tb[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1];

	nl_attrs_of(m, sizeof(struct tcmsg), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[TCA_OPTIONS], bpf, ARRAY_SIZE(bpf));
	return nl_u32(bpf[TCA_BPF_FLAGS]) & TCA_BPF_FLAG_ACT_DIRECT && bpf[TCA_BPF_TAG] &&
	       mnl_attr_get_payload_len(bpf[TCA_BPF_TAG]) == sizeof(program->tag) &&
	       !memcmp(mnl_attr_get_payload(bpf[TCA_BPF_TAG]), program->tag, sizeof(program->tag));
}

enum checksum_guard checksum_read(struct kernel_linux *k, const struct link *link)
{
	const struct checksum_program *programs = checksum_programs(k);
	unsigned d = direction_of(link->kind);
	const struct nlmsghdr *m;

	add_filter(&k->query, RTM_GETTFILTER, 0, link->ifindex, d);
	if (nl_get(&k->query, &m) < 0 || m->nlmsg_type != RTM_NEWTFILTER)
		return CHECKSUM_OPEN;
	return programs && is_ours(m, &programs[d]) ? CHECKSUM_GUARDED : CHECKSUM_STALE;
}
