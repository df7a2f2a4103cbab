/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_codes.c - every code of an import's report; docs/reference-import.md lists them, too. */

#include "import/report.h"

const struct import_code import_codes[] = {
	/* --- of every document --- */
	{ "unknown", IMPORT_LOST, "not an element or attribute that is known here",
	  "see whether it is misspelt, or of a newer libvirt" },
	{ "foreign-namespace", IMPORT_LOST, "of another program's namespace", NULL },
	{ "runtime-state", IMPORT_NOTE, "what libvirt counts while it runs", NULL },

	/* --- libvirt's networks: general --- */
	{ "name-changed", IMPORT_CHANGED,
	  "names have 1 to 15 letters, digits, '-', '_' and '.' (12 without the bridge's name)",
	  "choose another with --name; domains name it in <source network='…'/>" },
	{ "uuid", IMPORT_NOTE, "networks have names here, no UUIDs", NULL },
	{ "metadata", IMPORT_LOST, "there is no place for other programs' notes",
	  "ask the program that wrote it whether it needs it" },
	{ "ipv6-between-guests", IMPORT_CHANGED,
	  "guests may talk IPv6 with each other by their link-local addresses",
	  "to prevent it use ports.groups with rules of IPv4" },
	{ "bridge-pattern", IMPORT_NOTE, "libvirt would choose the bridge's name; here it is vn-NAME",
	  NULL },
	{ "delay-without-stp", IMPORT_NOTE, "without spanning tree there is no forward delay", NULL },
	{ "delay-too-long", IMPORT_CHANGED, "the forward delay is at most 30 s, as the kernel has it",
	  NULL },
	{ "firewalld-zone", IMPORT_LOST, "bridges are not put into zones of firewalld",
	  "`vnetctl doctor` says whether firewalld stops anything, and --fix lets it pass" },
	{ "mac-table", IMPORT_CHANGED,
	  "the bridge learns addresses; the guard keeps guests from claiming those of others", NULL },
	{ "foreign-bridge", IMPORT_LOST, "the bridge is somebody else's, who sets its options",
	  "set it where the bridge is made, or give the network an uplink in place of the bridge" },
	{ "default-route", IMPORT_LOST, "a network has no default route",
	  "set it on the host, if that is meant" },

	/* --- forward --- */
	{ "no-gateway", IMPORT_CHANGED,
	  "without an address nothing can be forwarded, so the network is isolated",
	  "give it addresses and its former mode, if guests shall leave by this host" },
	{ "interface-pool", IMPORT_LOST, "a network has one uplink: the first",
	  "make a network for each NIC, or join the NICs in a bond" },
	{ "forward-dev", IMPORT_LOST,
	  "guests of a routed network leave by every interface that a route leads to",
	  "restrict them by `egress` or security groups" },
	{ "managed", IMPORT_NOTE,
	  "binding a function to vfio-pci is the host's business (driverctl)", NULL },
	{ "kvm-driver", IMPORT_LOST, "guests get functions by vfio alone", NULL },

	/* --- ports --- */
	{ "bandwidth-peak", IMPORT_CHANGED,
	  "a limit has a burst, but no rate for peaks (which libvirt's networks do not reach either)",
	  "raise rate or burst if guests need it" },
	{ "bandwidth-floor", IMPORT_LOST, "a guarantee belongs to a port's limit",
	  "set ports.bandwidth.in.guaranteed, or --in of the port" },
	{ "vlan", IMPORT_LOST, "the network's ports cannot be in VLANs on this kind of network",
	  "for one VLAN of a NIC: uplink and vlan; for ports in different ones: uplink, "
	  "bridge.vlan_filtering and ports.vlan" },
	{ "virtualport", IMPORT_LOST,
	  "there is no protocol with the switch (802.1Qbg, 802.1Qbh, MidoNet, Open vSwitch)",
	  "set on the switch's port what its profile says" },
	{ "portgroup", IMPORT_LOST, "a network has defaults of ports, but no groups to choose from",
	  "give them to each port that was in it (--vlan, --in, --out), or make a network for it" },
	{ "portgroup-default", IMPORT_NOTE, "the default group becomes the network's `ports`", NULL },
	{ "rx-filters", IMPORT_LOST, "a guest's receive filters are not put on the NIC", NULL },

	/* --- addresses and services --- */
	{ "address-of-segment", IMPORT_LOST,
	  "the segment is another's, where the host has its own addresses", NULL },
	{ "local-ptr", IMPORT_CHANGED,
	  "reverse names of private subnets stay here always, those of public ones are asked for",
	  NULL },
	{ "lease-per-range", IMPORT_CHANGED, "all ranges have the lease time of the first", NULL },
	{ "host-domain", IMPORT_CHANGED,
	  "a host's name is one label, to which the network's domain is added", NULL },
	{ "boot-server", IMPORT_LOST, "the boot server is named by its IPv4 address",
	  "write its address to dhcp.boot.server" },
	{ "tftp-without-dhcp", IMPORT_NOTE,
	  "TFTP comes with DHCP, which gives addresses to nobody here", NULL },
	{ "srv-domain", IMPORT_LOST, "an SRV record needs a domain, its own or the network's",
	  "write it with one" },
	{ "forwarder-exception", IMPORT_LOST,
	  "a domain that the host's resolvers answer for, below one that has a forwarder",
	  "name the resolver: {address, domain} in dns.forwarders" },
	{ "dnsmasq-option", IMPORT_LOST, "lines for dnsmasq cannot be written past the definition",
	  "see whether docs/reference-network.md has a key for it" },

	/* --- to libvirt --- */
	{ "not-in-libvirt", IMPORT_LOST, "libvirt has nothing like it", NULL },
	{ "guard-in-domain", IMPORT_LOST, "libvirt holds guests to their addresses in each domain",
	  "<filterref filter='clean-traffic'/> in its <interface>" },
	{ "rate-rounded", IMPORT_CHANGED, "libvirt counts kilobytes, so the rate is rounded", NULL },
	{ "forwarder-port", IMPORT_LOST, "libvirt's forwarders are asked on port 53", NULL },
	{ "host-resolvers", IMPORT_CHANGED,
	  "libvirt asks the host's resolvers unless there is a forwarder without a domain, and never "
	  "on isolated networks", NULL },
	{ "range-elsewhere", IMPORT_LOST, "libvirt serves DHCP in one subnet of a family", NULL },
	{ "host-by-mac", IMPORT_LOST, "libvirt knows clients of DHCPv6 by name or DUID", NULL },
	{ "host-without-address", IMPORT_LOST, "libvirt's DHCP hosts have an address", NULL },
	{ "route-on-link", IMPORT_LOST, "libvirt's routes have a gateway", NULL },
	{ 0 },
};
