/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt_forward.c - <forward>: which mode, by which NIC, with which address. */

#include "import/libvirt_internal.h"

#include <errno.h>

static void import_nat(struct libvirt_import *im, struct xml_element *forward);
static void import_open(struct libvirt_import *im, struct xml_element *forward);
static void import_routed(struct libvirt_import *im, struct xml_element *forward);
static void import_isolated(struct libvirt_import *im, struct xml_element *forward);
static void import_bridged(struct libvirt_import *im, struct xml_element *forward);
static void import_macvtap(struct libvirt_import *im, struct xml_element *forward);
static void import_hostdev(struct libvirt_import *im, struct xml_element *forward);

static const struct {
	const char *name;
	enum network_mode mode;
	bool own_bridge;
	void (*import)(struct libvirt_import *im, struct xml_element *forward);
	const char *macvtap;    /* what ours is called */
} modes[] = {
	{ "nat", NETWORK_NAT, true, import_nat, NULL },
	{ "route", NETWORK_ROUTED, true, import_routed, NULL },
	{ "open", NETWORK_OPEN, true, import_open, NULL },
	{ "none", NETWORK_ISOLATED, true, import_isolated, NULL },
	{ "bridge", NETWORK_BRIDGED, false, import_bridged, "bridge" },
	{ "private", NETWORK_MACVTAP, false, import_macvtap, "private" },
	{ "vepa", NETWORK_MACVTAP, false, import_macvtap, "vepa" },
	{ "passthrough", NETWORK_MACVTAP, false, import_macvtap, "passthru" },
	{ "hostdev", NETWORK_SRIOV, false, import_hostdev, NULL },
};

static const char *macvtap_mode(const struct xml_element *forward)
{
	const struct xml_attribute *mode = element_find_attribute(forward, "mode");

	for (size_t i = 0; mode && i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, mode->value))
			return modes[i].macvtap;
	return NULL;
}

static bool routes_traffic(enum network_mode mode)
{
	return mode == NETWORK_NAT || mode == NETWORK_ROUTED;
}

/* A forwarding network without an address is a bridge on which nobody answers. */
static void check_gateway(struct libvirt_import *im, struct xml_element *forward)
{
	if (!routes_traffic(im->mode) || element_child(im->root, "ip"))
		return;
	im->mode = NETWORK_ISOLATED;
	import_report_element(im->report, "no-gateway", forward ? forward : im->root, NULL, NULL);
	json_object_del(im->net, "nat");
}

void import_forward(struct libvirt_import *im)
{
	struct xml_element *forward = element_child(im->root, "forward");
	const char *name = forward ? element_attribute(forward, "mode") : "none";
	size_t i;

	name = name ? name : "nat";
	for (i = 0; i < ARRAY_SIZE(modes) && strcmp(modes[i].name, name) != 0;)
		i++;
	if (i == ARRAY_SIZE(modes)) {
		import_refuse(im, forward, "mode", "bad-value",
			      "\"%.40s\" is no forward mode of libvirt's", name);
		return;
	}
	im->mode = modes[i].mode;
	im->has_own_bridge = modes[i].own_bridge;
	if (forward) {
		modes[i].import(im, forward);
		check_gateway(im, forward);
	}
	import_put_text(im, forward ? forward->line : im->root->line, "mode",
			network_mode_name(im->mode));
}

/* --- NICs -------------------------------------------------------------------------------- */

/* dev, and the interfaces of a pool: each is told, and none twice. The first one, or NULL. */
static const char *first_interface(struct libvirt_import *im, struct xml_element *forward)
{
	const char *first = element_attribute(forward, "dev");

	for (struct xml_element *e = NULL; (e = element_next(forward, "interface", e));) {
		const char *dev = import_required(im, e, "dev");

		for (const struct xml_element *other = NULL;
		     dev && (other = element_next(forward, "interface", other)) && other != e;) {
			const struct xml_attribute *theirs = element_find_attribute(other, "dev");

			if (theirs && !strcmp(theirs->value, dev))
				import_refuse(im, e, "dev", "duplicate",
					      "interface %.15s is named twice", dev);
		}
		if (element_attribute(e, "connections"))
			import_report_element(im->report, "runtime-state", e, "connections", NULL);
		if (!first)
			first = dev;
		else if (dev && strcmp(dev, first))
			import_report_element(im->report, "interface-pool", e, "dev", "%.15s", dev);
	}
	return first;
}

/* PCI addresses, none twice. */
static bool has_addresses(struct libvirt_import *im, struct xml_element *forward)
{
	static const char *const parts[] = { "domain", "bus", "slot", "function" };
	bool found = false;

	for (struct xml_element *e = NULL; (e = element_next(forward, "address", e)); found = true)
		for (struct xml_element *other = NULL;
		     (other = element_next(forward, "address", other)) && other != e;) {
			bool same = true;

			for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
				const char *a = element_attribute(e, parts[i]);
				const char *b = element_attribute(other, parts[i]);

				same &= strtoul(a ? a : "0", NULL, 16) ==
					strtoul(b ? b : "0", NULL, 16);
			}
			if (same)
				import_refuse(im, e, NULL, "duplicate",
					      "this PCI address is named twice");
		}
	return found;
}

static void report_managed(struct libvirt_import *im, struct xml_element *forward)
{
	bool yes;

	if (import_yes_no(im, forward, "managed", &yes) && yes)
		import_report_element(im->report, "managed", forward, "managed", NULL);
}

/* --- modes --------------------------------------------------------------------------------- */

static void import_source(struct libvirt_import *im, struct xml_element *nat)
{
	struct xml_element *address = element_child(nat, "address");
	struct xml_element *port = element_child(nat, "port");
	struct ip_range range = { 0 };
	unsigned long first = 0, last = 0;
	char text[ADDR_TEXT_MAX];

	if (address && import_required(im, address, "start") && import_required(im, address, "end") &&
	    import_ip(im, address, "start", &range.first) &&
	    import_ip(im, address, "end", &range.last))
		import_put_text(im, address->line,
				range.first.family == AF_INET6 ? "nat.source6" : "nat.source",
				ip_range_format(&range, text));
	if (port && import_required(im, port, "start") && import_required(im, port, "end") &&
	    import_number(im, port, "start", 1, 65535, &first) &&
	    import_number(im, port, "end", 1, 65535, &last)) {
		AUTO_FREE char *ports = mem_printf("%lu-%lu", first, last);

		import_put_text(im, port->line, "nat.ports", ports);
	}
}

static void import_nat(struct libvirt_import *im, struct xml_element *forward)
{
	struct xml_element *nat = element_child(forward, "nat");
	const char *dev = first_interface(im, forward);
	bool yes = false;

	if (dev)
		import_put_text(im, forward->line, "nat.uplink", dev);
	if (!nat)
		return;
	if (import_yes_no(im, nat, "ipv6", &yes) && yes)
		import_put(im, nat->line, "nat.ipv6", json_true());
	import_source(im, nat);
}

static void import_routed(struct libvirt_import *im, struct xml_element *forward)
{
	const char *dev = first_interface(im, forward);

	if (dev)
		import_report_element(im->report, "forward-dev", forward, "dev", "%.15s", dev);
}

static void import_open(struct libvirt_import *im, struct xml_element *forward)
{
	if (first_interface(im, forward))
		import_refuse(im, forward, NULL, "mode-conflict",
			      "forward mode open takes no dev; libvirt refuses it, too");
}

static void import_isolated(struct libvirt_import *im, struct xml_element *forward)
{
	if (first_interface(im, forward))
		import_refuse(im, forward, NULL, "mode-conflict",
			      "nothing is forwarded, so there is no dev");
}

static bool is_openvswitch(struct libvirt_import *im)
{
	const struct xml_attribute *type =
		element_find_attribute(element_child(im->root, "virtualport"), "type");

	return type && !strcmp(type->value, "openvswitch");
}

/* On a bridge that exists, or by macvtap on a NIC. */
static void import_bridged(struct libvirt_import *im, struct xml_element *forward)
{
	struct xml_element *bridge = element_child(im->root, "bridge");

	if (is_openvswitch(im)) {
		import_refuse(im, element_child(im->root, "virtualport"), "type", "openvswitch",
			      "the bridge is Open vSwitch's; vnet has Linux bridges. Take the NIC out of "
			      "it and write mode: bridged, uplink: NIC, bridge: {vlan_filtering: true}; "
			      "what its port groups say goes to each port (--vlan), tunnels go to links");
		return;
	}
	if (!bridge || !element_find_attribute(bridge, "name")) {
		import_macvtap(im, forward);
		im->mode = NETWORK_MACVTAP;
		return;
	}
	if (first_interface(im, forward))
		import_refuse(im, forward, NULL, "mode-conflict",
			      "a bridge and interfaces exclude each other; libvirt refuses it, too");
}

static void import_macvtap(struct libvirt_import *im, struct xml_element *forward)
{
	const char *mode = macvtap_mode(forward);
	const char *dev = first_interface(im, forward);
	struct xml_element *pf = element_child(forward, "pf");

	if (has_addresses(im, forward) || pf) {
		import_refuse(im, pf ? pf : element_child(forward, "address"), NULL, "vf-macvtap",
			      "macvtap on virtual functions is not what vnet has: with mode: sriov and "
			      "uplink: the physical function, guests get the functions themselves "
			      "by VFIO; or name one NIC for macvtap");
		return;
	}
	if (!dev) {
		import_refuse(im, forward, NULL, "missing-key",
			      "the NIC is missing: <interface dev='…'/>, or a <bridge name='…'/>");
		return;
	}
	report_managed(im, forward);
	import_put_text(im, forward->line, "uplink", dev);
	if (strcmp(mode, "bridge") != 0)
		import_put_text(im, forward->line, "macvtap", mode);
}

static void import_hostdev(struct libvirt_import *im, struct xml_element *forward)
{
	struct xml_element *pf = element_child(forward, "pf");
	struct xml_element *driver = element_child(forward, "driver");
	const char *name = element_attribute(driver, "name"), *dev;

	report_managed(im, forward);
	if (name && strcmp(name, "vfio"))
		import_report_element(im->report, "kvm-driver", driver, "name", NULL);
	if (has_addresses(im, forward) || !pf) {
		import_refuse(im, pf ? pf : forward, NULL, "vf-addresses",
			      "virtual functions by their PCI addresses: vnet takes them by their physical "
			      "function, so write <pf dev='NIC'/> instead, and which of them "
			      "with sriov: {vfs: 0-3} (/sys/bus/pci/devices/ADDRESS/physfn/net "
			      "names the NIC)");
		return;
	}
	dev = import_required(im, pf, "dev");
	if (dev)
		import_put_text(im, pf->line, "uplink", dev);
}
