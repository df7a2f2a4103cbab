# iptables without nftables.
iptables-legacy -N LAN
iptables-legacy -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-legacy -A FORWARD -i virbr+ ! -o virbr+ -j LAN
iptables-legacy -A FORWARD -p tcp --dport 22 -g LAN
iptables-legacy -A FORWARD -m comment --comment nothing
iptables-legacy -A LAN -s 192.168.0.0/16 ! -d 10.0.0.0/8 -p udp --dport 53 -j RETURN
iptables-legacy -A LAN -j REJECT
iptables-legacy -P FORWARD DROP
ip6tables-legacy -A INPUT -i lo -s ::1 -j ACCEPT
ip6tables-legacy -P INPUT DROP
