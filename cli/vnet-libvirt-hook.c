/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnet-libvirt-hook.c - what libvirt's hooks call: ports for a domain's interfaces
 *
 * libvirt starts it as `PROGRAM OBJECT OPERATION SUBOPERATION EXTRA` with a document
 * on standard input (https://libvirt.org/hooks.html), and waits.  It never calls
 * libvirt, which would wait for itself.  Status 1 and a line on stderr refuse what
 * libvirt is about to do, and virsh shows the line; but not at `reconnect`, where
 * libvirt would kill the guest, nor at the end of one.
 *
 *	qemu, lxc   prepare       make the devices that libvirt is going to open
 *	            start         adopt those that it has made; its process is not there yet
 *	            reconnect     see that the ports of a running domain are there
 *	            release       take all of them away
 *	network     start         is the network of ours that this one stands for up?
 *	            port-created  the same, for a card that is plugged
 *
 * migrate and restore have nothing to change in the document: what they print is
 * nothing, and prepare and start follow.
 */

#include "cli/domain_ports.h"
#include "cli/helper.h"
#include "cli/hook_config.h"
#include "cli/xml.h"

#include <errno.h>
#include <unistd.h>

#define PROGRAM "vnet-libvirt-hook"
#define TIMEOUT_MS 20000 /* libvirt waits, and with it everybody who asks it for the domain */

struct hook_options {
	const char *config, *socket;
	bool help, version;
};

#define FIELD(member) offsetof(struct hook_options, member)
static const struct cli_option options[] = {
	{ .name = "config", .kind = OPTION_TEXT, .offset = FIELD(config), .value = "FILE",
	  .help = "instead of " HOOK_CONFIG_DEFAULT },
	{ .name = "socket", .kind = OPTION_TEXT, .offset = FIELD(socket), .value = "PATH",
	  .help = "netd's socket" },
	{ .name = "help", .letter = 'h', .kind = OPTION_FLAG, .offset = FIELD(help),
	  .help = "print this" },
	{ .name = "version", .kind = OPTION_FLAG, .offset = FIELD(version),
	  .help = "print the version" },
	{ 0 },
};

typedef int (*domain_step)(struct vnet_client *client, const struct domain *domain,
			   struct vnet_error *err);

static int ensure(struct vnet_client *client, const struct domain *domain, struct vnet_error *err)
{
	return domain_ensure_ports(client, domain, NULL, err);
}

static const struct {
	const char *name;
	domain_step domain;     /* NULL: nothing to do */
	bool is_for_network;
	bool may_refuse;
} operations[] = {
	{ "prepare", domain_make_ports, false, true },
	{ "start", domain_adopt_ports, true, true },
	{ "reconnect", ensure, false, false },
	{ "release", domain_release_ports, false, false },
	{ "port-created", NULL, true, true },
};

static int read_input(struct strbuf *ret, struct vnet_error *err)
{
	char chunk[65536];
	ssize_t n;

	strbuf_append(ret, "");
	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0 && ret->len <= XML_TEXT_MAX)
		strbuf_append_n(ret, chunk, (size_t)n);
	return n < 0 ? vnet_error_set(err, -errno, "input", "cannot read standard input: %s",
				      strerror(errno))
		     : 0;
}

static int connect_netd(const struct hook_options *o, struct vnet_client **ret,
			struct vnet_error *err)
{
	int r = hook_config_become_user(o->config, err);

	if (r == 0)
		r = vnet_client_connect(o->socket, ret, err);
	if (r == 0)
		vnet_client_set_timeout(*ret, TIMEOUT_MS);
	return r;
}

static int run_domain(const struct hook_options *o, struct xml_element *root, domain_step step,
		      struct vnet_error *err)
{
	AUTO(domain_free) struct domain *domain = NULL;
	struct vnet_client *client = NULL;
	bool concerns_us;
	int r = domain_from_element(root, "domain", &domain, err);

	/* At its end the XML no longer has what was unplugged since. */
	if (r < 0 || !step || (!domain->ports.n && step != domain_release_ports))
		return r;
	concerns_us = domain_concerns_us(domain);
	r = connect_netd(o, &client, err);
	if (r == 0)
		r = step(client, domain, err);
	else if (!concerns_us && r != -EINVAL)
		/* netd is not there, and as far as can be told it is not missed. */
		r = 0;
	vnet_client_free(client);
	return r;
}

/* The network that one of libvirt's stands for must be running. */
static int check_network(struct vnet_client *client, const char *bridge, struct vnet_error *err)
{
	const json_t *network;
	json_t *reply = NULL;
	size_t i;
	int r = client_call(client, "ListNetworks", NULL, &reply, err);

	if (r < 0)
		return r;
	r = -ENOENT;
	json_array_foreach(json_object_get(reply, "networks"), i, network) {
		const char *its = json_string_value(json_object_get(network, "bridge"));
		const char *state = json_string_value(json_object_get(network, "state"));
		const char *name = json_string_value(json_object_get(network, "name"));

		if (!its || strcmp(its, bridge) != 0)
			continue;
		r = state && !strcmp(state, "running") ? 0 : -ENETDOWN;
		if (r < 0)
			vnet_error_set(err, r, "network-stopped",
				       "network %s is %s; `vnetctl network start %s`", name, state, name);
		break;
	}
	if (r == -ENOENT)
		vnet_error_set(err, r, "network-unknown",
			       "netd has no network with the bridge %s any more; `vnetctl libvirt publish` brings libvirt's list up to date",
			       bridge);
	json_decref(reply);
	return r;
}

static bool is_published(const struct xml_element *network)
{
	vec_each(child, &network->children)
		if (!strcmp((*child)->name, "metadata"))
			vec_each(item, &(*child)->children)
				if ((*item)->ns && !strcmp((*item)->ns, DOMAIN_METADATA_NS))
					return true;
	return false;
}

static int run_network(const struct hook_options *o, struct xml_element *root,
		       struct vnet_error *err)
{
	struct xml_element *network = element_child(root, "network");
	const char *bridge = element_attribute(element_child(network, "bridge"), "name");
	struct vnet_client *client = NULL;
	int r;

	if (!bridge || !is_published(network))
		return 0;
	r = connect_netd(o, &client, err);
	if (r == 0)
		r = check_network(client, bridge, err);
	vnet_client_free(client);
	return r;
}

static int serve(const struct hook_options *o, size_t operation, struct vnet_error *err)
{
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	int r = read_input(&text, err);

	/* A network that is not published, which most hosts have: its cards must not wait for us. */
	if (r == 0 && !operations[operation].domain && !strstr(text.s, DOMAIN_METADATA_NS))
		return 0;
	if (r == 0)
		r = xml_read(text.s, text.len, NULL, &root, err);
	if (r < 0)
		return r;
	if (strcmp(root->name, "hookData") != 0)
		return run_domain(o, TAKE(root), operations[operation].domain, err);
	return operations[operation].is_for_network ? run_network(o, root, err) : 0;
}

static int run(const struct hook_options *o, const char *operation, struct vnet_error *err)
{
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(operations) && strcmp(operations[i].name, operation) != 0)
		i++;
	if (i == ARRAY_SIZE(operations))
		return 0;
	r = serve(o, i, err);
	if (r < 0 && !operations[i].may_refuse) {
		helper_fail(PROGRAM, err);
		r = 0;
	}
	return r;
}

#define N_WORDS 4 /* the last ones are libvirt's, and an object may be called like an option */

int main(int argc, char **argv)
{
	int n_options = argc > N_WORDS ? argc - 1 - N_WORDS : argc - 1;
	struct hook_options o = { 0 };
	const struct option_set set = { options, &o };
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	bool has_rest;
	int status = 0;

	if (options_parse(&set, 1, n_options, argv + 1, false, &words, &rest, &has_rest, &err) < 0) {
		status = helper_fail(PROGRAM, &err);
	} else if (o.help) {
		printf("Usage: %s [options] OBJECT OPERATION SUBOPERATION EXTRA\n\n"
		       "Started by libvirt from /etc/libvirt/hooks/qemu.d and its like.\n\nOptions:\n",
		       PROGRAM);
		options_print(options, stdout);
	} else if (o.version) {
		printf("%s %s\n", PROGRAM, vnet_version());
	} else if (argc <= N_WORDS || words.n) {
		vnet_error_set(&err, -EINVAL, "usage",
			       "libvirt gives four words: OBJECT OPERATION SUBOPERATION EXTRA");
		status = helper_fail(PROGRAM, &err);
	} else if (run(&o, argv[argc - N_WORDS + 1], &err) < 0) {
		status = helper_fail(PROGRAM, &err);
	}
	vec_free(&words);
	vec_free(&rest);
	return status;
}
