/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_run.c - run: ports for a command, which is then executed in our place
 *
 * The process that asked for the ports becomes QEMU, so its pid is the ports'
 * owner, the descriptors keep their numbers, and nothing stays behind that
 * could die earlier or later than the guest.
 */

#include "cli/attach.h"
#include "cli/output.h"
#include "cli/privileges.h"
#include "cli/qemu.h"

#include <errno.h>
#include <unistd.h>

#define RUN_NETWORKS_MAX 32

struct run_options {
	struct attach_options attach;
	text_vec networks;
	const char *model, *user;
	bool dry_run;
};

/* One network to attach to: "blue" or "blue,name=web1,mac=52:54:00:…,vlan=10". */
struct nic {
	char *network, *name, *mac, *vlan;
	struct attach_request a;
};
typedef VEC(struct nic) nic_vec;

/* What becomes the command, and owns the words that were added to it. */
struct launch {
	text_vec command;
	VEC(struct vnet_port *) ports;
	VEC(char *) devices;    /* -device values with another model */
};

static int parse_nic(const char *text, struct nic *ret, struct vnet_error *err);
static int collect_nics(const struct run_options *o, const text_vec *words, const text_vec *command,
			nic_vec *ret, struct vnet_error *err);
static void nics_free(nic_vec *nics);
static int nic_request(const struct run_options *o, struct nic *nic, bool is_first,
		       struct vnet_error *err);
static int attach_all(struct cli *cli, const struct run_options *o, const nic_vec *nics,
		      struct launch *launch);
static int execute(struct cli *cli, const struct user *user, text_vec *command);
static void launch_free(struct launch *launch);
static int print_dry_run(struct cli *cli, const struct run_options *o, const nic_vec *nics,
			 const text_vec *command);

static int run_run(struct cli *cli, const void *options, const text_vec *words,
		   const text_vec *rest)
{
	const struct run_options *o = options;
	struct launch launch = { 0 };
	struct vnet_error err = { 0 };
	struct user user = { 0 };
	nic_vec nics = { 0 };
	int status;

	if (!rest->n)
		return report_usage(cli, "run needs a command: vnetctl run NETWORK -- COMMAND...");
	if (!words->n && !o->networks.n)
		return report_usage(cli, "run needs a network: vnetctl run NETWORK -- COMMAND...");
	/* What can be wrong is found out before a port exists. */
	if ((o->user && user_find(o->user, &user, &err) < 0) ||
	    collect_nics(o, words, rest, &nics, &err) < 0) {
		nics_free(&nics);
		return report_error(cli, &err);
	}
	vec_each(word, rest)
		vec_push(&launch.command, *word);
	if (o->dry_run)
		status = print_dry_run(cli, o, &nics, &launch.command);
	else
		status = attach_all(cli, o, &nics, &launch);
	if (!status && !o->dry_run)
		status = execute(cli, o->user ? &user : NULL, &launch.command);
	launch_free(&launch);
	nics_free(&nics);
	return status;
}

/*
 * Ports are named after the guest if nothing else is said: then the MAC, which
 * follows from the name, is the same at the next start.
 */
static int collect_nics(const struct run_options *o, const text_vec *words, const text_vec *command,
			nic_vec *ret, struct vnet_error *err)
{
	AUTO_FREE char *guest = o->attach.name ?
		mem_strdup(o->attach.name) :
		qemu_guest_name((char *const *)command->v, command->n);
	text_vec all = { 0 };
	int r = 0;

	vec_each(word, words)
		vec_push(&all, *word);
	vec_each(network, &o->networks)
		vec_push(&all, *network);
	if (all.n > RUN_NETWORKS_MAX)
		r = vnet_error_set(err, -EINVAL, "usage", "at most %d networks",
				   RUN_NETWORKS_MAX);
	for (size_t i = 0; i < all.n && r == 0; i++) {
		struct nic *nic = vec_add(ret);

		r = parse_nic(all.v[i], nic, err);
		if (r == 0 && !nic->name && guest)
			nic->name = i ? mem_printf("%s-%zu", guest, i + 1) : mem_strdup(guest);
		if (r == 0)
			r = nic_request(o, nic, i == 0, err);
	}
	vec_free(&all);
	return r;
}

static int parse_nic(const char *text, struct nic *ret, struct vnet_error *err)
{
	size_t size = strcspn(text, ",");

	ret->network = mem_strndup(text, size);
	for (const char *s = text + size; *s; s += size) {
		const char *value;
		char **field;

		s++;
		size = strcspn(s, ",");
		field = !strncmp(s, "name=", 5) ? &ret->name :
			!strncmp(s, "mac=", 4) ? &ret->mac :
			!strncmp(s, "vlan=", 5) ? &ret->vlan : NULL;
		if (!field)
			return vnet_error_set(err, -EINVAL, "usage",
					      "'%.*s' in '%s': what can follow a network is "
					      "name=NAME, mac=MAC and vlan=ID", (int)size, s, text);
		value = strchr(s, '=') + 1;
		free(*field);
		*field = mem_strndup(value, size - (size_t)(value - s));
	}
	return 0;
}

static void nics_free(nic_vec *nics)
{
	vec_each(nic, nics) {
		free(nic->network);
		free(nic->name);
		free(nic->mac);
		free(nic->vlan);
		attach_request_free(&nic->a);
	}
	vec_free(nics);
}

/* MAC, addresses, interface name and VF are one guest device's: of --mac and its like, the first. */
static int nic_request(const struct run_options *o, struct nic *nic, bool is_first,
		       struct vnet_error *err)
{
	struct vnet_attach_request *q = &nic->a.request;
	struct attach_options options = o->attach;
	int r;

	if (nic->vlan)
		options.settings.vlan = nic->vlan;
	r = attach_request_fill(&options, nic->network, &nic->a, err);
	q->name = nic->name;
	if (!is_first) {
		q->mac = q->ifname = NULL;
		q->n_addresses = 0;
		q->has_vf = false;
	}
	if (nic->mac)
		q->mac = nic->mac;
	if (o->model && !qemu_model_is_virtio(o->model)) {
		q->vhost = VNET_OFF;
		q->queues = 1;
	}
	return r;
}

static void append_arguments(const struct run_options *o, const struct vnet_port *port,
			     struct launch *launch)
{
	for (char **a = port->qemu_args; *a; a++) {
		const char *word = *a;

		/* Not vfio-pci: that one is a device of the host's. */
		if (o->model && a > port->qemu_args && !strcmp(a[-1], "-device") && port->n_fds)
			word = *vec_push(&launch->devices, qemu_device_with_model(*a, o->model));
		vec_push(&launch->command, word);
	}
}

static void launch_free(struct launch *launch)
{
	vec_each(port, &launch->ports)
		vnet_port_free(*port);
	vec_free(&launch->ports);
	vec_each(device, &launch->devices)
		free(*device);
	vec_free(&launch->devices);
	vec_free(&launch->command);
}

static int attach_all(struct cli *cli, const struct run_options *o, const nic_vec *nics,
		      struct launch *launch)
{
	int status = cli_connect(cli);

	for (size_t i = 0; i < nics->n && !status; i++) {
		struct vnet_port *port = NULL;
		struct vnet_error err = { 0 };

		if (vnet_client_attach(cli->client, &nics->v[i].a.request, &port, &err) == 0)
			vec_push(&launch->ports, port);
		if (!port || vnet_port_keep_on_exec(port, &err) < 0) {
			vnet_error_prefix(&err, "network %s", nics->v[i].network);
			return report_error(cli, &err);
		}
		if (!port->qemu_args[0])
			vnet_error_set(&err, -ENODEV, "no-device", "port %s of network %s has "
				       "nothing that QEMU could take: its virtual function has "
				       "no PCI address", port->name, nics->v[i].network);
		if (vnet_error_is_set(&err))
			return report_error(cli, &err);
		for (char **note = port->notes; *note && !cli->quiet; note++) {
			fputs("note: ", stderr);
			print_safe(stderr, *note);
			fputc('\n', stderr);
		}
		append_arguments(o, port, launch);
	}
	return status;
}

static int execute(struct cli *cli, const struct user *user, text_vec *command)
{
	struct vnet_error err = { 0 };
	int number;

	if (user && privileges_drop(user, &err) < 0)
		return report_error(cli, &err);
	vec_push(command, NULL);
	fflush(NULL);
	execvp(command->v[0], (char *const *)command->v);
	number = errno;
	fprintf(stderr, "vnetctl: cannot run %s: %s\n", command->v[0], strerror(number));
	return number == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_EXECUTABLE;
}

static void print_word(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_./:=,+@%";

	if (*word && !word[strspn(word, safe)]) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (const char *s = word; *s; s++)
		if (*s == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*s);
	putchar('\'');
}

/* What would be asked, and which command would get the answer. */
static int print_dry_run(struct cli *cli, const struct run_options *o, const nic_vec *nics,
			 const text_vec *command)
{
	int status = cli_connect(cli);

	for (size_t i = 0; i < nics->n && !status; i++) {
		json_t *parameters, *reply = NULL;
		char *text;

		status = cli_call(cli, "DescribeNetwork",
				  cli_parameters("name", nics->v[i].network), &reply);
		json_decref(reply);
		if (status)
			return status;
		parameters = client_attach_parameters(&nics->v[i].a.request);
		text = json_dumps(parameters, JSON_COMPACT);
		printf("AttachPort %s\n", text);
		free(text);
		json_decref(parameters);
	}
	if (status)
		return status;
	if (o->user)
		printf("become user %s\n", o->user);
	fputs("exec", stdout);
	vec_each(word, command) {
		putchar(' ');
		print_word(*word);
	}
	puts(" <-netdev and -device of the ports>");
	return EXIT_OK;
}

#define FIELD(member) offsetof(struct run_options, member)
static const struct cli_option run_options[] = {
	{ .name = "network", .kind = OPTION_TEXTS, .offset = FIELD(networks),
	  .value = "NETWORK[,name=N][,mac=M][,vlan=V]", .completes = COMPLETE_NETWORK,
	  .help = "a further network; may be repeated" },
	ATTACH_OPTIONS(struct run_options, "tap|macvtap|vf"),
	{ .name = "model", .kind = OPTION_TEXT, .offset = FIELD(model), .value = "DEVICE",
	  .help = "QEMU's device (virtio-net-pci)" },
	{ .name = "user", .letter = 'u', .kind = OPTION_TEXT, .offset = FIELD(user),
	  .value = "USER", .completes = COMPLETE_USER,
	  .help = "become this user, without any privilege, before COMMAND" },
	{ .name = "dry-run", .kind = OPTION_FLAG, .offset = FIELD(dry_run),
	  .help = "only print what would be asked and executed" },
	{ 0 },
};

const struct command run_commands[] = {
	{ .name = "run", .arguments = "NETWORK... -- COMMAND...", .max_words = RUN_NETWORKS_MAX,
	  .completes = COMPLETE_NETWORK, .takes_rest = true, .run = run_run,
	  .options = run_options, .options_size = sizeof(struct run_options),
	  .summary = "Execute COMMAND, a QEMU, with ports on the networks",
	  .details = "-netdev and -device arguments are added at COMMAND's end, and the descriptors\n"
		     "that they name are open in it.  --name, --mac, --address, --ifname and --vf\n"
		     "speak of the first network; without --name the guest's -name is taken.  The\n"
		     "ports live as long as COMMAND.  A virtual function comes as -device vfio-pci." },
	{ 0 },
};
