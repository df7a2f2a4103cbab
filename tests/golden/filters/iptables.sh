# Extensions: those that are read, and some that are not.
iptables-nft -A INPUT -p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT
iptables-nft -A INPUT -p udp -m udp ! --sport 1000:2000 -j DROP
iptables-nft -A INPUT -m state --state INVALID -j DROP
iptables-nft -A INPUT -m conntrack ! --ctstate NEW,UNTRACKED -m comment --comment "ours only" -j ACCEPT
iptables-nft -A INPUT -m mark --mark 0x10/0xf0 -j RETURN
iptables-nft -A INPUT -m addrtype --dst-type BROADCAST,MULTICAST -j ACCEPT
iptables-nft -A INPUT -m addrtype --src-type LOCAL -j DROP
iptables-nft -A INPUT -s 10.0.0.0/12 -i eth+ -j LOG
iptables-nft -A INPUT -m limit --limit 3/min -j ACCEPT
iptables-nft -A FORWARD -m physdev --physdev-is-bridged -j ACCEPT
iptables-nft -A FORWARD -j REJECT --reject-with icmp-host-prohibited
iptables-nft -A OUTPUT -p icmp -j NFQUEUE
ip6tables-nft -A INPUT -s fe80::/10 -p icmpv6 --icmpv6-type 133 -j ACCEPT
ip6tables-nft -A INPUT -m rt --rt-type 0 -j DROP
ip6tables-nft -P INPUT DROP
