/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_bridge_conf.c - QEMU's bridge.conf; an include leads to the input itself, halved each time. */

#include "model/access.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
	unsigned n_loads;
};

static int load(void *context, const char *path, struct access_file *ret, struct vnet_error *err)
{
	struct input *in = context;
	size_t size = in->n_loads < 20 ? in->size >> in->n_loads : 0;

	(void)err;
	in->n_loads++;
	if (path[1] == 'x')
		return -ENOENT;
	ret->text = mem_alloc(size + 1);
	memcpy(ret->text, in->data, size);
	ret->size = size;
	ret->mode = path[1] == 'h' ? 0640 : 0644;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char definition[] = "networks: {blue: {mode: isolated}}";
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	AUTO_NETWORKS network_vec nets = { 0 };
	struct input in = { data, size, 0 };
	struct port port = { .queues = 1 };
	struct peer peer = { .uid = 1000, .gid = 1000 };
	struct vnet_error err = { 0 };
	int r, attach;

	if (networks_from_yaml(definition, sizeof(definition) - 1, NULL, &nets, NULL) < 0)
		abort();
	r = access_policy_load_bridge_conf(policy, "/bridge.conf", load, &in, &err);
	if ((r < 0) != vnet_error_is_set(&err))
		abort();
	attach = access_check_attach(policy, &peer,
				     &(struct access_request){ nets.v[0], &port, false, 0 }, NULL);
	/* A file with an error grants nothing, nor does one that never says "allow". */
	if (attach == 0 && (r < 0 || !memmem(data, size, "allow", 5)))
		abort();
	return 0;
}
