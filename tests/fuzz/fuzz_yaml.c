/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_yaml.c - definitions of networks as YAML: parser, checks, canonical form.
 *
 * What is accepted is written, read again and equal; what is refused has an
 * error with a code and a text.
 */

#include "model/check.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const network_vec *nets)
{
	AUTO_NETWORKS network_vec again = { 0 };
	json_t *json = networks_to_json(nets->v, nets->n);

	must(networks_from_json(json, &again, NULL) == 0 && again.n == nets->n);
	json_decref(json);
	for (size_t i = 0; i < nets->n; i++) {
		AUTO(network_free) struct network *copy = network_copy(nets->v[i]);

		must(network_equal(nets->v[i], again.v[i]) && network_equal(copy, again.v[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	int r = networks_from_yaml((const char *)data, size, "fuzz.yaml", &nets, &err);

	must((r < 0) == vnet_error_is_set(&err));
	must(r == 0 || (err.code[0] && err.message[0] && nets.n == 0));
	if (r == 0)
		check_round_trip(&nets);
	for (size_t i = 0; i < nets.n; i++)
		r = network_check(nets.v[i], &err) < 0 ? -1 : r;
	if (r == 0)
		r = networks_check(nets.v, nets.n, &err);
	must((r < 0) == vnet_error_is_set(&err));
	return 0;
}
