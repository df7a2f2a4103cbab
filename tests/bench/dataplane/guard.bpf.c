/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.bpf.c - what netd's rules check of a frame, as a tc program; only for comparison
 *
 * For the ingress of every port: device, source MAC, EtherType and source
 * address must be in the map, and no guest plays DHCP server.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOURCES_MAX 16384

struct source {
	__u32 ifindex;
	__u8 mac[ETH_ALEN];
	__u16 ethertype;
};

struct source4 {
	struct source link;
	__u32 address;
};

struct source6 {
	struct source link;
	struct in6_addr address;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct source4);
	__type(value, __u8);
	__uint(max_entries, SOURCES_MAX);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sources4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct source6);
	__type(value, __u8);
	__uint(max_entries, SOURCES_MAX);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sources6 SEC(".maps");

static int check_transport(__u8 protocol, const struct udphdr *udp, const void *end)
{
	__u16 source;

	if (protocol != IPPROTO_UDP)
		return TC_ACT_OK;
	if ((const void *)(udp + 1) > end)
		return TC_ACT_SHOT;
	source = bpf_ntohs(udp->source);
	return source == 67 || source == 547 ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("classifier") int guard(struct __sk_buff *skb)
{
	const void *end = (const void *)(long)skb->data_end;
	const struct ethhdr *eth = (const void *)(long)skb->data;
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	struct source source = {.ifindex = skb->ifindex};

	if ((const void *)(ip + 1) > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(source.mac, eth->h_source, ETH_ALEN);
	source.ethertype = eth->h_proto;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct source4 key = {source, ip->saddr};

		return bpf_map_lookup_elem(&sources4, &key)
			   ? check_transport(ip->protocol, (const void *)(ip + 1), end)
			   : TC_ACT_SHOT;
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (const void *)(ip6 + 1) <= end) {
		struct source6 key = {source, ip6->saddr};

		return bpf_map_lookup_elem(&sources6, &key)
			   ? check_transport(ip6->nexthdr, (const void *)(ip6 + 1), end)
			   : TC_ACT_SHOT;
	}
	return TC_ACT_SHOT;
}

char gpl[] SEC("license") = "GPL";
