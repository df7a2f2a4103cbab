/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnet-qemu-ifup.c - stands in for /etc/qemu-ifup and /etc/qemu-ifdown
 *
 * QEMU made a TAP itself (-netdev tap,script=…) and starts this program with
 * the interface's name.  Called as …ifdown it takes the port away.  Which
 * network: --network, VNET_NETWORK, ifup.conf, or the interface's name, in this
 * order.
 */

#include "cli/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#define CONF_DEFAULT VNET_SYSCONFDIR "/ifup.conf"
#define CONF_MAX (1024UL * 1024)

struct ifup_options {
	const char *network, *mac, *config, *socket;
	bool down, help, version;
};

#define FIELD(member) offsetof(struct ifup_options, member)
static const struct cli_option options[] = {
	{ .name = "network", .kind = OPTION_TEXT, .offset = FIELD(network), .value = "NAME",
	  .help = "the network" },
	{ .name = "mac", .kind = OPTION_TEXT, .offset = FIELD(mac), .value = "MAC",
	  .help = "the guest's address (else the first that it sends from is held)" },
	{ .name = "config", .kind = OPTION_TEXT, .offset = FIELD(config), .value = "FILE",
	  .help = "instead of " CONF_DEFAULT },
	{ .name = "down", .kind = OPTION_FLAG, .offset = FIELD(down),
	  .help = "take the port away, as if called vnet-qemu-ifdown" },
	{ .name = "socket", .kind = OPTION_TEXT, .offset = FIELD(socket), .value = "PATH",
	  .help = "netd's socket" },
	{ .name = "help", .letter = 'h', .kind = OPTION_FLAG, .offset = FIELD(help),
	  .help = "print this" },
	{ .name = "version", .kind = OPTION_FLAG, .offset = FIELD(version),
	  .help = "print the version" },
	{ 0 },
};

static int choose_network(struct vnet_client *client, const struct ifup_options *o,
			  const char *ifname, struct ifup_rule *ret, struct vnet_error *err);
static int read_conf(const char *path, bool must_exist, struct strbuf *ret,
		     struct vnet_error *err);
static int network_from_name(struct vnet_client *client, const char *ifname, struct ifup_rule *ret,
			     struct vnet_error *err);

static int bring_up(const struct ifup_options *o, const char *ifname, struct vnet_error *err)
{
	struct vnet_attach_request request = VNET_ATTACH_REQUEST_INIT;
	struct vnet_client *client = NULL;
	struct vnet_port *port = NULL;
	struct ifup_rule rule = { 0 };
	int r = vnet_client_connect(o->socket, &client, err);

	if (r == 0)
		r = choose_network(client, o, ifname, &rule, err);
	if (r == 0) {
		request.network = rule.network;
		request.ifname = ifname;
		request.name = ifname;
		request.adopt = true;
		request.mac = o->mac ? o->mac : rule.mac[0] ? rule.mac : NULL;
		request.learn_mac = !request.mac;
		r = vnet_client_attach(client, &request, &port, err);
	}
	vnet_port_free(port);
	vnet_client_free(client);
	return r;
}

/* QEMU calls this on its way out: a port that is gone already is what was wanted. */
static int take_down(const struct ifup_options *o, const char *ifname, struct vnet_error *err)
{
	struct vnet_client *client = NULL;
	int r = vnet_client_connect(o->socket, &client, err);

	if (r == 0)
		r = vnet_client_detach(client, ifname, err);
	vnet_client_free(client);
	return r == -ENOENT ? 0 : r;
}

static int choose_network(struct vnet_client *client, const struct ifup_options *o,
			  const char *ifname, struct ifup_rule *ret, struct vnet_error *err)
{
	const char *name = o->network ? o->network : getenv("VNET_NETWORK");
	const char *path = o->config ? o->config : CONF_DEFAULT;
	AUTO_STRBUF struct strbuf text = { 0 };
	int r;

	if (name && *name) {
		if (strlen(name) >= sizeof(ret->network))
			return vnet_error_set(err, -EINVAL, "usage", "no network is called '%s'",
					      name);
		strcpy(ret->network, name);
		return 0;
	}
	r = read_conf(path, o->config != NULL, &text, err);
	if (r == 0)
		r = ifup_conf_match(text.s, path, ifname, ret, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return network_from_name(client, ifname, ret, err);
}

static int read_conf(const char *path, bool must_exist, struct strbuf *ret, struct vnet_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n = 0;

	strbuf_append(ret, "");
	if (fd < 0 && errno == ENOENT && !must_exist)
		return 0;
	while (fd >= 0 && ret->len <= CONF_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
		strbuf_append_n(ret, chunk, (size_t)n);
	if (fd < 0 || n < 0)
		vnet_error_set(err, -errno, "file-unreadable", "cannot read %s: %s", path,
			       strerror(errno));
	else if (ret->len > CONF_MAX)
		vnet_error_set(err, -EFBIG, "file-too-large", "%s is larger than %lu bytes", path,
			       CONF_MAX);
	if (fd >= 0)
		close(fd);
	return err->number;
}

static int network_from_name(struct vnet_client *client, const char *ifname, struct ifup_rule *ret,
			     struct vnet_error *err)
{
	const char *best = NULL;
	const json_t *network;
	json_t *reply = NULL;
	size_t i;
	int r = client_call(client, "ListNetworks", NULL, &reply, err);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(reply, "networks"), i, network) {
		const char *name = json_string_value(json_object_get(network, "name"));

		if (name && strlen(name) < sizeof(ret->network) && ifup_name_fits(ifname, name) &&
		    (!best || strlen(name) > strlen(best)))
			best = name;
	}
	if (best)
		strcpy(ret->network, best);
	else
		r = vnet_error_set(err, -ENOENT, "no-such-network",
				   "which network is %s for? name it after one (blue0), or say so in "
				   CONF_DEFAULT ", VNET_NETWORK or --network", ifname);
	json_decref(reply);
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
	const char *program = base_name(argc ? argv[0] : "vnet-qemu-ifup");
	struct ifup_options o = { .down = strstr(program, "ifdown") != NULL };
	const struct option_set set = { options, &o };
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	bool has_rest;
	int status = 0;

	if (options_parse(&set, 1, argc - 1, argv + 1, false, &words, &rest, &has_rest, &err) < 0) {
		status = helper_fail(program, &err);
	} else if (o.help) {
		printf("Usage: %s [options] INTERFACE\n\n"
		       "Started by QEMU: -netdev tap,id=n0,script=%s\n\nOptions:\n", program,
		       argv[0]);
		options_print(options, stdout);
	} else if (o.version) {
		printf("%s %s\n", program, vnet_version());
	} else if (words.n != 1 || strlen(words.v[0]) >= IFNAMSIZ) {
		/* kvm-ifup's callers may pass more; QEMU passes the interface alone. */
		vnet_error_set(&err, -EINVAL, "usage", "give one interface's name");
		status = helper_fail(program, &err);
	} else if ((o.down ? take_down : bring_up)(&o, words.v[0], &err) < 0) {
		vnet_error_prefix(&err, "%s", words.v[0]);
		status = helper_fail(program, &err);
	}
	vec_free(&words);
	vec_free(&rest);
	return status;
}
