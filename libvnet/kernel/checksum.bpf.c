/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checksum.bpf.c - no frame changes behind the rules that judged it
 *
 * Whoever sends with a virtio header (a guest by its TAP or macvtap, a container by
 * a packet socket) may leave the checksum to the kernel, and says where it is to be
 * put: CHECKSUM_PARTIAL, csum_start, csum_offset.  Linux asks no more than that the
 * place is in the frame, behind its first 20 bytes.  Where the way leads to a device
 * without that offload, two bytes are written there after every rule has looked.
 * They have the value that the sender likes, for they are a sum of bytes of its own.
 *
 * So they may be written only where honest senders want them and no rule reads:
 * into the field of TCP's, UDP's or ICMP's checksum, or further in, in what is
 * carried by UDP, GRE and the like (a guest's own tunnels).  DHCP is the one
 * thing in UDP that rules do read.
 *
 * One program for all ports of a bridge (tc ingress; rules refuse what it marks, and
 * count and show it), one for macvtap, where rules come first (tc egress) and it
 * has to drop by itself.  Neither has a map: what is loaded is the same on all
 * ports, and known again by its tag.
 *
 * Where the headers are is found as nftables finds them (nft_set_pktinfo_ipv4(),
 * ipv6_find_hdr()): they must agree on which bytes are whose.
 */

#include "nft/checksum_mark.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CHECKSUM_PARTIAL 3
#define FRAGMENT_BITS 0x3fff    /* more fragments, offset */
#define EXTENSIONS_MAX 8
#define ICMP_CHECKSUM 2         /* its place, in both versions */
/* What is read of a packet whose kind has no entry here: connection tracking's look at GRE, SCTP, DCCP. */
#define TRANSPORT_READ 16
/* Of a frame that is no packet the rules read the type, and the one behind a tag. */
#define OTHER_READ (ETH_HLEN + 4)

/* The kernel's own; BTF tells libbpf where the running one has these members. */
struct sk_buff {
	__u8 ip_summed : 2;
	__u16 csum_start, csum_offset;
	unsigned char *head, *data;
} __attribute__((preserve_access_index));

/* Where two bytes will be written, counted from the frame's first; 0: nowhere. */
static __always_inline __u32 written_at(const struct __sk_buff *ctx)
{
	const struct sk_buff *skb = (const void *)ctx;

	if (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != CHECKSUM_PARTIAL)
		return 0;
	return BPF_CORE_READ(skb, csum_start) + BPF_CORE_READ(skb, csum_offset) -
	       (__u32)(BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head));
}

static __always_inline bool is_dhcp(__be16 port)
{
	switch (bpf_ntohs(port)) {
	case 67:
	case 68:
	case 546:
	case 547:
		return true;
	}
	return false;
}

/* th: where the packet's own header begins. */
static __always_inline bool is_fine_in_transport(struct __sk_buff *ctx, __u8 protocol, __u32 th, __u32 at)
{
	struct udphdr udp;

	switch (protocol) {
	case IPPROTO_TCP:
		return at == th + offsetof(struct tcphdr, check);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return at == th + ICMP_CHECKSUM;
	case IPPROTO_UDP:
		if (at == th + offsetof(struct udphdr, check))
			return true;
		return at >= th + sizeof(udp) && bpf_skb_load_bytes(ctx, th, &udp, sizeof(udp)) == 0 &&
		       !is_dhcp(udp.dest);
	}
	return at >= th + TRANSPORT_READ;
}

/* Nobody leaves the checksum of a packet open and cuts it: a fragment is no honest sender's. */
static __always_inline bool is_fine_in_ip4(struct __sk_buff *ctx, __u32 at)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(ctx, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5 ||
	    ip.frag_off & bpf_htons(FRAGMENT_BITS))
		return false;
	return is_fine_in_transport(ctx, ip.protocol, ETH_HLEN + ip.ihl * 4, at);
}

static __always_inline bool is_fine_in_ip6(struct __sk_buff *ctx, __u32 at)
{
	struct ipv6_opt_hdr extension;
	struct ipv6hdr ip;
	__u32 th = ETH_HLEN + sizeof(ip);
	__u8 next;

	if (bpf_skb_load_bytes(ctx, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return false;
	next = ip.nexthdr;
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
			break;
		case IPPROTO_FRAGMENT:
			return false;
		default:
			return is_fine_in_transport(ctx, next, th, at);
		}
		if (bpf_skb_load_bytes(ctx, th, &extension, sizeof(extension)) < 0)
			return false;
		th += next == IPPROTO_AH ? (extension.hdrlen + 2) * 4 : (extension.hdrlen + 1) * 8;
		next = extension.nexthdr;
	}
	return false;
}

static __always_inline bool is_fine(struct __sk_buff *ctx)
{
	__u32 at = written_at(ctx);

	if (!at)
		return true;
	switch (bpf_ntohs((__be16)ctx->protocol)) {
	case ETH_P_IP:
		return is_fine_in_ip4(ctx, at);
	case ETH_P_IPV6:
		return is_fine_in_ip6(ctx, at);
	case ETH_P_ARP:
	case ETH_P_RARP:
		return false;
	}
	return at >= OTHER_READ;
}

SEC("tc") int vnet_checksum_in(struct __sk_buff *ctx)
{
	if (!is_fine(ctx))
		ctx->mark = NFT_CHECKSUM_MARK;
	return TC_ACT_UNSPEC; /* others' filters go on */
}

SEC("tc") int vnet_checksum_out(struct __sk_buff *ctx)
{
	return is_fine(ctx) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

char gpl[] SEC("license") = "GPL";
