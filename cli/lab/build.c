/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build.c - a lab from nothing; see build.h. */

#include "cli/lab/build.h"

#include "base/clock.h"
#include "cli/lab/cable.h"
#include "cli/lab/dhcp.h"
#include "cli/lab/host.h"
#include "cli/lab/serve.h"
#include "cli/lab/space.h"
#include "cli/lab/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEASES_MS 10000         /* after the last one that came */
#define LOOK_MS 20
#define COMMAND_MS 30000

struct builder {
	const struct lab *lab;
	const struct lab_programs *programs;
	build_progress progress;
	void *context;
	struct vnet_error *err;
};

static int tell(const struct builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int tell(const struct builder *b, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return b->progress(b->context, text) ? 0 : vnet_error_set(b->err, -EPIPE, "interrupted", "interrupted");
}

/* --- machines --- */

static int make_spaces(const struct builder *b)
{
	int r = tell(b, "%zu machines", b->lab->machines.n);

	for (size_t i = 0; i < b->lab->machines.n && r == 0; i++)
		r = space_create(b->lab->machines.v[i]->name, b->lab->machines.v[i]->forwarding, b->err);
	return r;
}

static int make_wires(const struct builder *b)
{
	int r = tell(b, "%zu wires", b->lab->wires.n);

	if (r == 0)
		r = cables_make(b->lab, b->err);
	for (size_t i = 0; i < b->lab->machines.n && r == 0; i++)
		if (b->lab->machines.v[i]->is_host)
			r = cables_address(b->lab->machines.v[i], b->err);
	return r;
}

/* --- hosts --- */

static int attach_nodes(const struct builder *b, const struct lab_machine *host, struct vnet_client *client)
{
	vec_each(m, &b->lab->machines)
		vec_each(interface, &(*m)->interfaces) {
			if (!interface->host || strcmp(interface->host, host->name) != 0 || (*m)->qemu.n)
				continue;
			if (host_attach(client, host, *m, interface, b->err) < 0)
				return -EIO;
		}
	return 0;
}

/* All start before the first is waited for. */
static int start_hosts(const struct builder *b)
{
	VEC(pid_t) pids = { 0 };
	size_t k = 0;
	int r = tell(b, "starting hosts");

	for (size_t i = 0; i < b->lab->machines.n && r == 0; i++) {
		if (!b->lab->machines.v[i]->is_host)
			continue;
		r = *vec_push(&pids, host_start(b->lab->machines.v[i], b->programs->netd, b->err));
		r = r < 0 ? r : 0;
	}
	for (size_t i = 0; i < b->lab->machines.n && r == 0; i++) {
		const struct lab_machine *host = b->lab->machines.v[i];
		struct vnet_client *client = NULL;

		if (!host->is_host)
			continue;
		r = host_wait(host, pids.v[k++], &client, b->err);
		if (r == 0)
			r = tell(b, "host %s is up", host->name);
		if (r == 0)
			r = attach_nodes(b, host, client);
		vnet_client_free(client);
	}
	vec_free(&pids);
	return r;
}

/* --- what runs on machines --- */

/* The exit status of a command; -1 when it does not end. */
static int wait_for_end(pid_t pid)
{
	int64_t deadline = clock_now_ms() + COMMAND_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_now_ms() > deadline)
			return -1;
		clock_pause_ms(LOOK_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What puts itself into the background ends when it is ready. */
static int wait_for_server(const struct builder *b, const struct lab_machine *m, pid_t pid, const char *log)
{
	AUTO_FREE char *words = NULL;

	if (pid < 0)
		return pid;
	if (wait_for_end(pid) == 0)
		return 0;
	words = spawn_last_words(log);
	vnet_error_set(b->err, -EIO, "service-failed", "%s: its services do not start: %s", m->name, words);
	vnet_error_at(b->err, m->source.file, m->source.line, m->source.column, NULL);
	return -EIO;
}

static int start_dns(const struct builder *b, const struct lab_machine *m)
{
	AUTO_FREE char *log = mem_printf("dns.%s", m->name);
	VEC(const char *) argv = { 0 };
	static const char *const fixed[] = { "dnsmasq", "--conf-file=/dev/null",
					     "--no-resolv", "--no-hosts", "--user=root", "--group=", "--pid-file",
					     "--log-facility=-" };
	char buf[ADDR_TEXT_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		vec_push(&argv, fixed[i]);
	vec_each(record, &m->services.dns)
		vec_push(&argv, mem_printf("--host-record=%s,%s", record->name, ip_format(&record->address, buf)));
	vec_push(&argv, NULL);
	r = wait_for_server(b, m, spawn(m->name, log, argv.v, b->err), log);
	for (size_t i = ARRAY_SIZE(fixed); i < argv.n; i++)
		free((char *)argv.v[i]);
	vec_free(&argv);
	return r;
}

static int start_services(const struct builder *b, const struct lab_machine *m)
{
	AUTO_FREE char *log = mem_printf("serve.%s", m->name);
	const struct lab_services *s = &m->services;
	int r = 0;

	if (s->http.n || s->tcp.n || s->udp.n)
		r = wait_for_server(b, m, spawn_function(m->name, log, serve, m, b->err), log);
	return r == 0 && s->dns.n ? start_dns(b, m) : r;
}

static int run_command(const struct builder *b, const struct lab_machine *m, size_t i)
{
	AUTO_FREE char *log = mem_printf("run.%s.%zu", m->name, i + 1), *words = NULL;
	const char *argv[] = { "/bin/sh", "-c", m->run.v[i], NULL };
	pid_t pid = spawn(m->name, log, argv, b->err);
	int status;

	if (pid < 0)
		return pid;
	status = wait_for_end(pid);
	if (status == 0)
		return 0;
	words = spawn_last_words(log);
	if (status < 0)
		vnet_error_set(b->err, -ETIMEDOUT, "timed-out",
			       "%s: run[%zu] does not end; a command that stays needs a & behind it", m->name, i);
	else
		vnet_error_set(b->err, -EIO, "command-failed", "%s: run[%zu] ends with status %d: %s", m->name, i,
			       status, words);
	vnet_error_at(b->err, m->source.file, m->source.line, m->source.column, NULL);
	return -EIO;
}

static int run_commands(const struct builder *b, const struct lab_machine *m)
{
	int r = 0;

	for (size_t i = 0; i < m->run.n && r == 0; i++)
		r = run_command(b, m, i);
	return r;
}

static int start_dhcp(const struct builder *b, const struct lab_machine *m)
{
	vec_each(interface, &m->interfaces)
		if (interface->dhcp && !m->qemu.n && dhcp_start(m, interface, b->err) < 0)
			return -EIO;
	return 0;
}

/* QEMU with ports on the networks: `vnetctl run` becomes it. */
static int start_guest(const struct builder *b, const struct lab_machine *m)
{
	AUTO_FREE char *socket = mem_printf(SPACE_RUN "/host/%s/run/netd.sock", m->interfaces.v[0].host);
	AUTO_FREE char *log = mem_printf("guest.%s", m->name);
	VEC(char *) argv = { 0 };
	char buf[ADDR_TEXT_MAX];
	int r;

	vec_push(&argv, mem_strdup(b->programs->vnetctl));
	vec_push(&argv, mem_strdup("--socket"));
	vec_push(&argv, mem_strdup(socket));
	vec_push(&argv, mem_strdup("run"));
	vec_each(interface, &m->interfaces) {
		AUTO_FREE char *name = host_port_name(m, interface);

		vec_push(&argv, mem_printf("%s%s,name=%s%s%s", interface == m->interfaces.v ? "" : "--network=",
					   interface->network, name, interface->has_mac ? ",mac=" : "",
					   interface->has_mac ? mac_format(&interface->mac, buf) : ""));
	}
	vec_push(&argv, mem_strdup("--"));
	vec_each(word, &m->qemu)
		vec_push(&argv, mem_strdup(*word));
	vec_push(&argv, NULL);
	r = spawn(m->name, log, (const char *const *)argv.v, b->err);
	vec_each(word, &argv)
		free(*word);
	vec_free(&argv);
	return r < 0 ? r : 0;
}

static int start_machines(const struct builder *b)
{
	int r = tell(b, "starting services");

	for (size_t i = 0; i < b->lab->machines.n && r == 0; i++) {
		const struct lab_machine *m = b->lab->machines.v[i];

		if (m->qemu.n) {
			r = start_guest(b, m);
			continue;
		}
		if (!m->is_host)
			r = cables_address(m, b->err);
		if (r == 0)
			r = start_dhcp(b, m);
		if (r == 0)
			r = start_services(b, m);
		if (r == 0)
			r = run_commands(b, m);
	}
	return r;
}

/* --- addresses --- */

struct waiting { const struct lab_machine *machine; const struct lab_interface *interface; };
typedef VEC(struct waiting) waiting_vec;

static size_t drop_served(waiting_vec *waiting)
{
	size_t n = 0;

	vec_each(w, waiting) {
		AUTO_FREE char *lease = dhcp_lease(w->machine->name, w->interface->name);

		if (!lease)
			waiting->v[n++] = *w;
	}
	waiting->n = n;
	return n;
}

/* One that gets none is not a failure: it may be what the lab shows. */
static int wait_for_leases(const struct builder *b)
{
	waiting_vec waiting = { 0 };
	int64_t deadline = clock_now_ms() + LEASES_MS;
	size_t left;
	int r;

	vec_each(m, &b->lab->machines)
		vec_each(interface, &(*m)->interfaces)
			if (interface->dhcp && !(*m)->qemu.n)
				vec_push(&waiting, (struct waiting){ *m, interface });
	left = waiting.n;
	r = left ? tell(b, "%zu addresses by DHCP", left) : 0;
	while (r == 0 && drop_served(&waiting) && clock_now_ms() < deadline) {
		if (waiting.n < left)
			deadline = clock_now_ms() + LEASES_MS;
		left = waiting.n;
		clock_pause_ms(LOOK_MS);
		r = tell(b, "%s", "");
	}
	vec_each(w, &waiting)
		if (r == 0)
			r = tell(b, "note: %s has no address by DHCP on %s yet", w->machine->name, w->interface->name);
	vec_free(&waiting);
	return r;
}

int build_lab(const struct lab *lab, const struct lab_programs *programs, build_progress progress, void *context,
	      struct vnet_error *err)
{
	const struct builder b = { lab, programs, progress, context, err };
	int r = dhcp_prepare(programs->vnetctl, err);

	if (r == 0)
		r = make_spaces(&b);
	if (r == 0)
		r = make_wires(&b);
	if (r == 0)
		r = start_hosts(&b);
	if (r == 0)
		r = start_machines(&b);
	if (r == 0)
		r = wait_for_leases(&b);
	return r;
}
