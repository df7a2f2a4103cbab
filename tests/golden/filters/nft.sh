# What nft can say, as far as a packet's fate is told; and what is not understood.
ip link add dm0 type bridge
nft -f - <<'NFT'
table inet fw {
	set lan { type ifname; elements = { "lan0", "lan1" } }
	set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9, 240.0.0.0-255.255.255.255 } }
	set pairs { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 80 } }
	chain input {
		type filter hook input priority filter - 5; policy drop;
		ct state { established, related } accept
		ct state invalid drop
		ct state != new counter
		iif lo accept
		iif dm0 accept
		iifname "vn-*" udp dport { 53, 67 } accept
		iifname @lan tcp dport 1000-2000 accept
		ip saddr @bad drop
		ip saddr != 192.168.0.0/16 ip daddr 192.168.7.0/24 reject
		ip saddr . tcp dport @pairs drop
		ip6 saddr 2001:db8::/64 accept
		ip6 nexthdr udp udp sport >= 1024 accept
		rt type 0 drop
		meta mark 0x100 accept
		meta mark & 0xff00 != 0x100 drop
		meta mark 5-9 drop
		ct status dnat accept
		ct direction reply accept
		fib saddr . iif oif missing drop
		fib daddr type broadcast accept
		icmpv6 type { nd-neighbor-solicit, nd-router-solicit } accept
		meta l4proto != tcp limit rate 10/second accept
		udp length 20 drop
		meta nfproto ipv4 meta hour "08:00"-"17:00" accept
		goto rest
	}
	chain rest {
		iifname vmap { "eth0" : jump wan, "wg0" : drop }
		tcp dport vmap { 1-1023 : accept, 1024 : drop }
		ip saddr . tcp dport vmap { 192.0.2.1 . 22 : accept }
	}
	chain wan { }
}
add table netdev early
add chain netdev early in { type filter hook ingress device "dm0" priority 0; policy drop; }
add table bridge br
add chain bridge br f { type filter hook forward priority 0; policy drop; }
add rule bridge br f ether type arp accept
add table arp a
add chain arp a i { type filter hook input priority 0; }
add table ip n
add chain ip n post { type nat hook postrouting priority 100; }
add rule ip n post oifname "eth0" masquerade
NFT
nft add table bridge vnet
nft add table inet vnet
