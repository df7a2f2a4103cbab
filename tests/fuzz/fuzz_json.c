/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_json.c - what peers and state files say in JSON: ports, updates, definitions. */

#include "model/check.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On each network as netd would: completed, checked, told. */
static void try_port(const json_t *json, const network_vec *nets)
{
	AUTO(port_free) struct port *port = NULL;
	AUTO(port_free) struct port *again = NULL;
	json_t *state;

	if (port_from_json(json, &port, NULL) < 0)
		return;
	state = port_to_json(port);
	must(port_from_json(state, &again, NULL) == 0 && port_equal(port, again));
	json_decref(state);
	vec_each(net, nets) {
		AUTO(port_free) struct port *mine = port_copy(port);
		struct bandwidth in, out;
		json_t *info = json_object();

		port_complete(mine, *net);
		port_check(mine, *net, &again, 1, NULL);
		port_limits(mine, *net, &in, &out);
		port_describe(mine, info);
		json_decref(info);
	}
}

static void try_update(const json_t *json)
{
	AUTO(port_free) struct port *port = mem_alloc(sizeof(*port));
	AUTO(port_free) struct port *before = mem_alloc(sizeof(*before));

	if (port_update_from_json(port, json, NULL) < 0)
		must(memcmp(port, before, sizeof(*port)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char definition[] =
		"networks: {blue: {mode: nat, addresses: [10.0.0.1/24, 'fd00::1/64'], dhcp6: true,"
		" dhcp: {hosts: [{mac: 52:54:00:00:00:07, address: 10.0.0.7}]}},"
		" aware: {mode: isolated, bandwidth: {in: 1gbit, out: 1mbit},"
		" bridge: {vlan_filtering: true, native: 0}, ports: {vlan: {tagged: 10-20}}},"
		" wire: {mode: macvtap, uplink: eth0, macvtap: passthru},"
		" card: {mode: sriov, uplink: eth1, sriov: {vfs: 0-7}}}";
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_NETWORKS network_vec found = { 0 };
	AUTO(port_free) struct port *port = NULL;
	struct vnet_error err = { 0 };
	json_t *json = json_loadb((const char *)data, size,
				  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	if (!json)
		return 0;
	must(networks_from_yaml(definition, sizeof(definition) - 1, NULL, &nets, NULL) == 0);
	must((networks_from_json(json, &found, &err) < 0) == vnet_error_is_set(&err));
	vnet_error_clear(&err);
	must((port_from_request(json, &port, &err) < 0) == vnet_error_is_set(&err));
	try_port(json, &nets);
	try_update(json);
	json_decref(json);
	return 0;
}
