/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ethtool.c - offloads of devices
 *
 * What counts is what was asked for, not what is at work: a guest's driver
 * switches a TAP's offloads as it likes, and a feature rests while one that it
 * needs is off (segmentation without checksums).  Comparing with what is at
 * work would set the same thing again and again.  One ioctl tells it of all
 * offloads; changes are rare and take one each.
 */

#include "kernel/ethtool.h"
#include "kernel/backend.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define FEATURES_MAX (FEATURE_WORDS * 32)

static const struct offload {
	const char *name;
	uint32_t set;
	size_t option, state; /* in struct port_options, struct feature_state */
	const char *features; /* the names that the kernel has for it */
} offloads[] = {
#define OFFLOAD(field, command, features) \
	{#field, command, offsetof(struct port_options, field), \
	 offsetof(struct feature_state, field), features}
	OFFLOAD(rx, ETHTOOL_SRXCSUM, "rx-checksum"),
	OFFLOAD(tx, ETHTOOL_STXCSUM,
		"tx-checksum-ipv4 tx-checksum-ip-generic tx-checksum-ipv6 tx-checksum-fcoe-crc "
		"tx-checksum-sctp"),
	OFFLOAD(sg, ETHTOOL_SSG, "tx-scatter-gather tx-scatter-gather-fraglist"),
	OFFLOAD(tso, ETHTOOL_STSO,
		"tx-tcp-segmentation tx-tcp-ecn-segmentation tx-tcp-mangleid-segmentation "
		"tx-tcp6-segmentation"),
	OFFLOAD(gso, ETHTOOL_SGSO, "tx-generic-segmentation"),
	OFFLOAD(gro, ETHTOOL_SGRO, "rx-gro"),
#undef OFFLOAD
};
_Static_assert(ARRAY_SIZE(offloads) == ARRAY_SIZE(((struct feature_bits *)0)->of), "all of them");

static int request(int control, const char *ifname, void *data)
{
	struct ifreq ifr = {.ifr_data = data};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	return ioctl(control, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* One of the words in a list. */
static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; n && (at = strstr(at, name)); at += n)
		if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

/*
 * The kernel numbers features as it likes; their names stay.  (The structs are
 * those of ethtool.h, with room behind them.)
 */
static int learn_bits(int control, const char *ifname, struct feature_bits *ret)
{
	struct {
		uint32_t cmd, set, len;
		char names[FEATURES_MAX][ETH_GSTRING_LEN];
	} strings = {.cmd = ETHTOOL_GSTRINGS, .set = ETH_SS_FEATURES};
	struct {
		uint32_t cmd, reserved;
		uint64_t sets;
		uint32_t count;
	} info = {.cmd = ETHTOOL_GSSET_INFO, .sets = 1u << ETH_SS_FEATURES};
	int r = request(control, ifname, &info);

	if (r >= 0 && info.count > FEATURES_MAX)
		r = -EOVERFLOW;
	/* Asked for another number, old kernels write all they have, newer ones nothing. */
	strings.len = info.count;
	if (r >= 0)
		r = request(control, ifname, &strings);
	for (uint32_t i = 0; r >= 0 && i < strings.len; i++) {
		strings.names[i][ETH_GSTRING_LEN - 1] = '\0';
		for (size_t j = 0; j < ARRAY_SIZE(offloads); j++)
			if (is_listed(offloads[j].features, strings.names[i]))
				ret->of[j].words[i / 32] |= 1u << i % 32;
	}
	ret->is_known = r >= 0;
	return r;
}

static int read_state(int control, struct feature_bits *bits, const char *ifname,
		      struct feature_state *ret)
{
	struct {
		uint32_t cmd, size;
		struct ethtool_get_features_block words[FEATURE_WORDS];
	} now = {.cmd = ETHTOOL_GFEATURES, .size = FEATURE_WORDS};
	int r = bits->is_known ? 0 : learn_bits(control, ifname, bits);

	if (r >= 0)
		r = request(control, ifname, &now);
	if (r < 0)
		return r;
	*ret = (struct feature_state){.is_known = true};
	for (size_t j = 0; j < ARRAY_SIZE(offloads); j++) {
		bool *state = (bool *)((char *)ret + offloads[j].state);
		uint32_t can = 0, asked = 0, active = 0;

		for (size_t w = 0; w < FEATURE_WORDS; w++) {
			can |= bits->of[j].words[w] & now.words[w].available;
			asked |= bits->of[j].words[w] & now.words[w].available &
				 now.words[w].requested;
			active |= bits->of[j].words[w] & now.words[w].active;
		}
		*state = can ? asked : active;
	}
	return 0;
}

bool features_read(int control, struct feature_bits *bits, const char *ifname,
		   struct feature_state *ret)
{
	return read_state(control, bits, ifname, ret) == 0;
}

int features_set(int control, struct feature_bits *bits, const struct op_features *op,
		 struct vnet_error *err)
{
	struct feature_state now;
	int r = kernel_ifname_ok(op->ifname) ? read_state(control, bits, op->ifname, &now) : -EINVAL;

	if (r < 0)
		return kernel_error(err, r, NULL, "device %s: cannot read its offloads",
				    op->ifname);
	for (size_t j = 0; j < ARRAY_SIZE(offloads); j++) {
		const struct offload *o = &offloads[j];
		enum tristate want = *(const enum tristate *)((const char *)&op->options + o->option);
		struct ethtool_value value = {.cmd = o->set, .data = want == TRI_TRUE};

		if (want == TRI_DEFAULT || *(bool *)((char *)&now + o->state) == value.data)
			continue;
		r = request(control, op->ifname, &value);
		if (r < 0)
			return kernel_error(err, r, NULL, "device %s: cannot switch %s %s",
					    op->ifname, o->name, value.data ? "on" : "off");
	}
	return 0;
}
