/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu.c - what a qemu-ifup script or bridge.conf does; see qemu.h. */

#include "import/qemu.h"

#include "base/addr.h"
#include "model/check.h"
#include "model/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#define WORDS_MAX 64
#define WORD_MAX 256
#define VARIABLES_MAX 64
#define BRIDGES_MAX 64

/* A bridge that the script speaks of, on its way to a network. */
struct bridge {
	char *name, *uplink;
	char *dhcp_first, *dhcp_last, *lease, *domain;
	bool is_made, stp, is_nat;
	VEC(struct prefix) addresses;
	json_t *hosts;
};

struct variable { char name[32], value[WORD_MAX]; };

struct qemu_import {
	VEC(struct bridge) bridges;
	VEC(struct variable) variables;
	VEC(struct prefix) nat_subnets;
	char *nat_uplink;
	json_t *forwards;       /* whose bridge is known in the end */
	bool forwards_packets;
	/* the line at hand */
	struct import_report *report;
	const char *line;
	unsigned number;
	char words[WORDS_MAX][WORD_MAX];
	size_t n;
};

struct qemu_import *qemu_import_new(void)
{
	struct qemu_import *q = mem_alloc(sizeof(*q));

	q->forwards = json_array();
	return q;
}

void qemu_import_free(struct qemu_import *q)
{
	if (!q)
		return;
	vec_each(b, &q->bridges) {
		free(b->name);
		free(b->uplink);
		free(b->dhcp_first);
		free(b->dhcp_last);
		free(b->lease);
		free(b->domain);
		vec_free(&b->addresses);
		json_decref(b->hosts);
	}
	vec_free(&q->bridges);
	vec_free(&q->variables);
	vec_free(&q->nat_subnets);
	free(q->nat_uplink);
	json_decref(q->forwards);
	free(q);
}

static void report(struct qemu_import *q, const char *code, const char *detail)
{
	AUTO_FREE char *what = mem_printf("%.120s", q->line + strspn(q->line, " \t"));

	import_report_add(q->report, code, q->number, what, detail ? "%s" : NULL, detail);
}

/* --- words ------------------------------------------------------------------------------- */

static const char *value_of(const struct qemu_import *q, const char *name, size_t n)
{
	vec_each(v, &q->variables)
		if (strlen(v->name) == n && !strncmp(v->name, name, n))
			return v->value;
	return NULL;
}

/* "$BR", "${BR}": its value, or as it stands. Returns what is behind it. */
static const char *expand(const struct qemu_import *q, const char *s, char *out, size_t *used)
{
	bool braces = s[1] == '{';
	const char *name = s + 1 + braces, *value;
	size_t n = 0;

	while (isalnum((unsigned char)name[n]) || name[n] == '_')
		n++;
	value = (!braces || name[n] == '}') ? value_of(q, name, n) : NULL;
	if (!value) {
		if (*used + 1 < WORD_MAX)
			out[(*used)++] = '$';
		return s + 1;
	}
	*used += (size_t)snprintf(out + *used, WORD_MAX - *used, "%s", value);
	*used = *used < WORD_MAX ? *used : WORD_MAX - 1;
	return name + n + braces;
}

/* Between commands of one line; "2>&1" is none. */
static bool is_separator(const struct qemu_import *q, const char *s)
{
	return *s == ';' || *s == '|' || (*s == '&' && (s == q->line || s[-1] != '>'));
}

/* One word with quotes taken off and variables put in. */
static const char *next_word(const struct qemu_import *q, const char *s, char out[WORD_MAX])
{
	char quote = 0;
	size_t n = 0;

	while (*s && (quote || (!strchr(" \t", *s) && !is_separator(q, s)))) {
		if (*s == '$' && quote != '\'') {
			s = expand(q, s, out, &n);
			continue;
		}
		if (quote ? *s == quote : *s == '\'' || *s == '"')
			quote = quote ? 0 : *s;
		else if (n + 1 < WORD_MAX)
			out[n++] = *s;
		s++;
	}
	out[n] = '\0';
	return s;
}

/* The words of the next command. Returns what is behind it, or NULL at the line's end. */
static const char *split(struct qemu_import *q, const char *s)
{
	for (q->n = 0; q->n < WORDS_MAX; q->n++) {
		s += strspn(s, " \t");
		if (!*s || *s == '#')
			return NULL;
		if (is_separator(q, s))
			return s + strspn(s, ";|&");
		s = next_word(q, s, q->words[q->n]);
	}
	report(q, "qemu-unknown", "a line of too many words");
	q->n = 0;
	return NULL;
}

static const char *word(const struct qemu_import *q, size_t i)
{
	return i < q->n ? q->words[i] : "";
}

static bool is(const struct qemu_import *q, size_t i, const char *text)
{
	return !strcmp(word(q, i), text);
}

/* The word behind an option, "-j" or "--jump"; NULL when it is not there. */
static const char *option(const struct qemu_import *q, const char *a, const char *b)
{
	for (size_t i = 1; i + 1 < q->n; i++)
		if (is(q, i, a) || (b && is(q, i, b)))
			return q->words[i + 1];
	return NULL;
}

/* The device that QEMU hands to the script: nothing that is named in the file. */
static bool is_tap(const char *name)
{
	return strchr(name, '$') || !strncmp(name, "tap", 3) || !strncmp(name, "vnet", 4);
}

/* --- bridges -------------------------------------------------------------------------------- */

static struct bridge *bridge_of(struct qemu_import *q, const char *name)
{
	struct bridge *b;

	vec_each(known, &q->bridges)
		if (!strcmp(known->name, name))
			return known;
	if (ifname_check(name, NULL) < 0 || is_tap(name) || q->bridges.n == BRIDGES_MAX)
		return NULL;
	b = vec_add(&q->bridges);
	b->name = mem_strdup(name);
	return b;
}

static struct bridge *find_bridge(struct qemu_import *q, const char *name)
{
	vec_each(known, &q->bridges)
		if (!strcmp(known->name, name))
			return known;
	return NULL;
}

static bool add_member(struct qemu_import *q, const char *bridge, const char *device)
{
	struct bridge *b = bridge_of(q, bridge);

	if (!b)
		return false;
	if (is_tap(device)) {
		report(q, "qemu-done", "a port is put on its bridge, when its rules stand");
		return true;
	}
	if (ifname_check(device, NULL) < 0)
		return false;
	if (b->uplink && strcmp(b->uplink, device) != 0)
		return false;
	mem_replace(&b->uplink, device);
	report(q, "qemu-found", "uplink");
	return true;
}

static bool add_address(struct qemu_import *q, const char *device, const char *text)
{
	struct bridge *b = find_bridge(q, device);
	struct prefix p;

	if (!b || prefix_parse(text, &p) < 0)
		return false;
	vec_push(&b->addresses, p);
	report(q, "qemu-found", "an address of the bridge");
	return true;
}

static bool set_stp(struct qemu_import *q, const char *bridge, bool on)
{
	struct bridge *b = bridge_of(q, bridge);

	if (!b)
		return false;
	b->stp = on;
	report(q, "qemu-found", "spanning tree");
	return true;
}

static bool make_bridge(struct qemu_import *q, const char *name)
{
	struct bridge *b = bridge_of(q, name);

	if (!b)
		return false;
	b->is_made = true;
	report(q, "qemu-found", "a bridge");
	return true;
}

/* ip link add NAME type bridge stp_state 1 ... */
static bool make_bridge_by_ip(struct qemu_import *q, const char *name)
{
	struct bridge *b;
	size_t i = 0;

	if (!make_bridge(q, name))
		return false;
	b = bridge_of(q, name);
	while (i < q->n && !is(q, i, "type"))
		i++;
	for (i += 2; i < q->n; i += 2) {
		if (is(q, i, "stp_state"))
			b->stp = is(q, i + 1, "1");
		else
			report(q, "qemu-unknown", word(q, i));
	}
	return true;
}

/* --- commands ---------------------------------------------------------------------------------- */

static bool read_brctl(struct qemu_import *q)
{
	if (is(q, 1, "addbr"))
		return make_bridge(q, word(q, 2));
	if (is(q, 1, "addif"))
		return add_member(q, word(q, 2), word(q, 3));
	if (is(q, 1, "stp"))
		return set_stp(q, word(q, 2), is(q, 3, "on") || is(q, 3, "yes") || is(q, 3, "1"));
	if (is(q, 1, "setfd") || is(q, 1, "sethello") || is(q, 1, "setmaxage") ||
	    is(q, 1, "delif") || is(q, 1, "delbr") || is(q, 1, "show")) {
		report(q, "qemu-done", "bridges are made, and taken away, by netd");
		return true;
	}
	return false;
}

static bool read_ip_link(struct qemu_import *q)
{
	const char *master = option(q, "master", NULL), *dev = option(q, "dev", NULL);
	size_t first = is(q, 3, "dev") || is(q, 3, "name") ? 4 : 3;

	if (master)
		return add_member(q, master, dev ? dev : word(q, first));
	if ((is(q, 2, "add") || is(q, 2, "a")) && option(q, "type", NULL) &&
	    !strcmp(option(q, "type", NULL), "bridge"))
		return make_bridge_by_ip(q, word(q, first));
	if (is(q, 2, "set") || is(q, 2, "del") || is(q, 2, "delete") || is(q, 2, "show")) {
		report(q, "qemu-done", "devices are raised, and taken away, by netd");
		return true;
	}
	return false;
}

static bool read_ip(struct qemu_import *q)
{
	const char *dev = option(q, "dev", NULL);

	if (!strncmp(word(q, 1), "tuntap", 6)) {
		report(q, "qemu-done", "a port's TAP is made by netd");
		return true;
	}
	if (is(q, 1, "link") || is(q, 1, "l"))
		return read_ip_link(q);
	if (is(q, 1, "addr") || is(q, 1, "address") || is(q, 1, "a"))
		return is(q, 2, "add") && dev && add_address(q, dev, word(q, 3));
	return false;
}

/* ifconfig BR 10.0.0.1 netmask 255.255.255.0 up; ifconfig TAP 0.0.0.0 promisc up */
static bool read_ifconfig(struct qemu_import *q)
{
	const char *mask = option(q, "netmask", NULL);
	struct prefix p = { 0 };
	struct ip ip;
	char text[ADDR_TEXT_MAX];

	if (ip_parse(word(q, 2), &p.addr) < 0 || ip_is_any(&p.addr)) {
		report(q, "qemu-done", "devices are raised by netd");
		return true;
	}
	p.len = 24;
	if (mask && ip_parse(mask, &ip) == 0 && ip.family == AF_INET)
		for (p.len = 0; p.len < 32 && ip.b[p.len / 8] & (0x80 >> p.len % 8);)
			p.len++;
	return add_address(q, word(q, 1), prefix_format(&p, text));
}

static bool read_nat(struct qemu_import *q, const char *jump)
{
	const char *source = option(q, "-s", "--source"), *out = option(q, "-o", "--out-interface");
	struct prefix p;

	if (strcmp(jump, "MASQUERADE") != 0)
		return false;
	if (source && prefix_parse(source, &p) < 0)
		return false;
	if (source)
		vec_push(&q->nat_subnets, prefix_network(&p));
	else
		vec_push(&q->nat_subnets, ((struct prefix){ { AF_INET, { 0 } }, 0 }));
	if (out && ifname_check(out, NULL) == 0)
		mem_replace(&q->nat_uplink, out);
	report(q, "qemu-found", "NAT");
	return true;
}

/* iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to 10.0.0.5:80 */
static bool read_dnat(struct qemu_import *q)
{
	const char *protocol = option(q, "-p", "--protocol"), *port = option(q, "--dport", NULL);
	const char *to = option(q, "--to-destination", "--to"), *on = option(q, "-d", NULL);
	char *colon;

	if (!protocol || !port || !to || (strcmp(protocol, "tcp") && strcmp(protocol, "udp")))
		return false;
	AUTO_FREE char *ports = mem_strdup(port);
	colon = strchr(ports, ':');
	if (colon)
		*colon = '-';
	AUTO_FREE char *forward = mem_printf("%s %s%s%s -> %s", protocol, on ? on : "", on ? ":" : "",
					     ports, to);
	json_array_append_new(q->forwards, json_string(forward));
	report(q, "qemu-found", "a forward");
	return true;
}

static bool read_iptables(struct qemu_import *q)
{
	const char *jump = option(q, "-j", "--jump"), *table = option(q, "-t", "--table");
	bool appends = option(q, "-A", "--append") || option(q, "-I", "--insert");

	if (option(q, "-D", "--delete") || option(q, "-F", "--flush")) {
		report(q, "qemu-done", "netd takes its rules away itself");
		return true;
	}
	if (!appends || !jump)
		return false;
	if (table && !strcmp(table, "nat"))
		return !strcmp(jump, "DNAT") ? read_dnat(q) : read_nat(q, jump);
	if (!table && !strcmp(jump, "ACCEPT")) {
		report(q, "qemu-done",
		       "netd's own rules let a network's traffic pass; `vnetctl doctor` looks after others");
		return true;
	}
	return false;
}

/* Of "--dhcp-range=A,B,12h", or "-F A,B": the value. */
static const char *dnsmasq_value(const struct qemu_import *q, const char *name, const char *letter)
{
	size_t n = strlen(name);

	for (size_t i = 1; i < q->n; i++)
		if (!strncmp(q->words[i], name, n) && q->words[i][n] == '=')
			return q->words[i] + n + 1;
	return option(q, name, letter);
}

static void read_dhcp_range(struct bridge *b, const char *value)
{
	AUTO_FREE char *copy = mem_strdup(value);
	char *rest = copy, *item;
	struct ip ip;

	for (unsigned i = 0; (item = strsep(&rest, ",")); i++) {
		bool is_ip = ip_parse(item, &ip) == 0;

		if (i == 0 && is_ip)
			mem_replace(&b->dhcp_first, item);
		else if (i == 1 && is_ip)
			mem_replace(&b->dhcp_last, item);
		else if (!is_ip)
			mem_replace(&b->lease, item);
	}
}

static void read_dhcp_host(struct bridge *b, const char *value)
{
	AUTO_FREE char *copy = mem_strdup(value);
	char *rest = copy, *item;
	json_t *host = json_object();
	struct mac mac;
	struct ip ip;

	while ((item = strsep(&rest, ","))) {
		const char *key = mac_parse(item, &mac) == 0 ? "mac" :
				  ip_parse(item, &ip) == 0   ? "address" :
							       "name";

		json_object_set_new(host, key, json_string(item));
	}
	if (!b->hosts)
		b->hosts = json_array();
	json_array_append_new(b->hosts, host);
}

static bool read_dnsmasq(struct qemu_import *q)
{
	static const char *const implied[] = { "--interface", "--bind-interfaces", "--bind-dynamic",
					       "--except-interface", "--listen-address", "--pid-file",
					       "--dhcp-leasefile", "--strict-order", "--dhcp-no-override",
					       "--conf-file", "--user", "--group", "--dhcp-range",
					       "--dhcp-host", "--domain", "--keep-in-foreground",
					       "--no-daemon", "--dhcp-authoritative" };
	const char *interface = dnsmasq_value(q, "--interface", "-i");
	const char *range = dnsmasq_value(q, "--dhcp-range", "-F");
	const char *domain = dnsmasq_value(q, "--domain", "-s");
	struct bridge *b = interface ? bridge_of(q, interface) : NULL;

	if (!b || !range)
		return false;
	read_dhcp_range(b, range);
	mem_replace(&b->domain, domain);
	report(q, "qemu-found", "DHCP and DNS");
	for (size_t i = 1; i < q->n; i++) {
		bool is_known = q->words[i][0] != '-' || q->words[i][1] != '-';

		for (size_t k = 0; !is_known && k < ARRAY_SIZE(implied); k++)
			is_known = !strncmp(q->words[i], implied[k], strlen(implied[k]));
		if (!strncmp(q->words[i], "--dhcp-host=", 12))
			read_dhcp_host(b, q->words[i] + 12);
		if (!is_known)
			report(q, "qemu-unknown", q->words[i]);
	}
	return true;
}

static bool read_ebtables(struct qemu_import *q)
{
	report(q, "qemu-ebtables", NULL);
	return true;
}

static bool mentions_forwarding(const struct qemu_import *q)
{
	for (size_t i = 1; i < q->n; i++)
		if (strstr(q->words[i], "ip_forward") || strstr(q->words[i], "forwarding"))
			return true;
	return false;
}

static bool read_sysctl(struct qemu_import *q)
{
	if (!mentions_forwarding(q))
		return false;
	q->forwards_packets = true;
	report(q, "qemu-done", "forwarding is switched on for the interfaces that need it");
	return true;
}

static bool read_echo(struct qemu_import *q)
{
	if (mentions_forwarding(q))
		return read_sysctl(q);
	for (size_t i = 1; i < q->n; i++)
		if (!strncmp(q->words[i], "/proc/", 6) || !strncmp(q->words[i], "/sys/", 5))
			return false;
	report(q, "qemu-shell", NULL);
	return true;
}

static bool read_tunctl(struct qemu_import *q)
{
	report(q, "qemu-done", "a port's TAP is made by netd");
	return true;
}

/* bridge.conf */
static bool read_access(struct qemu_import *q)
{
	if (q->n != 2)
		return false;
	report(q, "qemu-access", NULL);
	if (is(q, 0, "allow") && strcmp(q->words[1], "all") != 0)
		return bridge_of(q, q->words[1]);
	return true;
}

static bool read_shell(struct qemu_import *q)
{
	report(q, "qemu-shell", NULL);
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct qemu_import *q);
} commands[] = {
	{ "brctl", read_brctl },       { "ip", read_ip },           { "ifconfig", read_ifconfig },
	{ "iptables", read_iptables }, { "ip6tables", read_iptables }, { "ebtables", read_ebtables },
	{ "dnsmasq", read_dnsmasq },   { "sysctl", read_sysctl },   { "echo", read_echo },
	{ "tunctl", read_tunctl },     { "openvpn", read_tunctl },  { "allow", read_access },
	{ "deny", read_access },       { "include", read_access },  { "if", read_shell },
	{ "then", read_shell },        { "else", read_shell },      { "elif", read_shell },
	{ "fi", read_shell },          { "for", read_shell },       { "while", read_shell },
	{ "do", read_shell },          { "done", read_shell },      { "case", read_shell },
	{ "esac", read_shell },        { "exit", read_shell },      { "return", read_shell },
	{ "set", read_shell },         { "export", read_shell },    { "sleep", read_shell },
	{ "true", read_shell },        { "exec", read_shell },      { "modprobe", read_shell },
	{ "}", read_shell },           { "[", read_shell },         { "test", read_shell },
};

/* --- lines -------------------------------------------------------------------------------------- */

/* NAME=value; one that is made by a command is not known. */
static bool read_assignment(struct qemu_import *q)
{
	const char *equals = strchr(q->words[0], '=');
	size_t n = equals ? (size_t)(equals - q->words[0]) : 0;
	struct variable *v;

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)q->words[0][i]) && q->words[0][i] != '_')
			return false;
	if (!n || n >= sizeof(v->name) || q->n != 1 || q->variables.n == VARIABLES_MAX)
		return false;
	if (strpbrk(equals, "$`(")) {
		/* The name that QEMU gives is such a one, and stays unknown. */
		report(q, "qemu-shell", NULL);
		return true;
	}
	v = vec_add(&q->variables);
	snprintf(v->name, sizeof(v->name), "%.*s", (int)n, q->words[0]);
	snprintf(v->value, sizeof(v->value), "%s", equals + 1);
	return true;
}

/* Before the command: sudo, and the path to it. */
static void drop_prefix(struct qemu_import *q)
{
	const char *slash;

	while (q->n > 1 && (is(q, 0, "sudo") || is(q, 0, "exec"))) {
		memmove(q->words[0], q->words[1], (q->n - 1) * sizeof(q->words[0]));
		q->n--;
	}
	slash = strrchr(q->words[0], '/');
	if (slash)
		memmove(q->words[0], slash + 1, strlen(slash));
}

/* "check() {" */
static bool is_function(const struct qemu_import *q)
{
	size_t n = strlen(q->words[0]);

	return is(q, 1, "()") || is(q, 0, "{") || (n > 2 && !strcmp(q->words[0] + n - 2, "()"));
}

static void read_command(struct qemu_import *q)
{
	if (!q->n || read_assignment(q))
		return;
	drop_prefix(q);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (is(q, 0, commands[i].name)) {
			if (!commands[i].read(q))
				report(q, "qemu-unknown", NULL);
			return;
		}
	report(q, is_function(q) ? "qemu-shell" : "qemu-unknown", NULL);
}

static void read_line(struct qemu_import *q)
{
	for (const char *s = q->line; s;) {
		s = split(q, s);
		read_command(q);
	}
}

void qemu_import_read(struct qemu_import *q, const char *text, struct import_report *ret)
{
	unsigned number = 0;

	q->report = ret;
	q->variables.n = 0;
	while (*text) {
		AUTO_FREE char *line = mem_strdup("");
		bool goes_on = true;

		q->number = number + 1;
		/* A backslash at its end joins a line with the next. */
		while (goes_on && *text) {
			size_t n = strcspn(text, "\n"), kept = n;
			char *longer;

			goes_on = n && text[n - 1] == '\\';
			kept -= goes_on;
			longer = mem_printf("%s%.*s%s", line, (int)kept, text, goes_on ? " " : "");
			free(line);
			line = longer;
			text += n + (text[n] == '\n');
			number++;
		}
		q->line = line;
		read_line(q);
	}
	import_report_sort(ret);
}

/* --- networks -------------------------------------------------------------------------------------- */

static bool has_subnet(const struct bridge *b, const struct prefix *p)
{
	vec_each(address, &b->addresses)
		if (address->addr.family == p->addr.family && prefix_overlaps(address, p))
			return true;
	return false;
}

static const char *mode_of(const struct qemu_import *q, struct bridge *b)
{
	vec_each(p, &q->nat_subnets)
		b->is_nat |= has_subnet(b, p);
	if (b->is_nat)
		return "nat";
	if (!b->addresses.n)
		return b->uplink || !b->is_made ? "bridged" : "isolated";
	if (b->uplink)
		return "bridged";
	return q->forwards_packets ? "routed" : "isolated";
}

static json_t *dhcp_to_json(const struct bridge *b)
{
	json_t *dhcp = json_object();

	json_object_set_new(dhcp, "ranges",
			    json_pack("[o]", json_sprintf("%s-%s", b->dhcp_first, b->dhcp_last)));
	if (b->lease)
		json_object_set_new(dhcp, "lease_time", json_string(b->lease));
	if (b->hosts)
		json_object_set(dhcp, "hosts", b->hosts);
	return dhcp;
}

/* To whom a forward leads: "tcp 80 -> 10.0.0.5:80". */
static bool leads_into(const struct bridge *b, const char *forward)
{
	AUTO_FREE char *to = mem_strdup(strstr(forward, "-> ") + 3);
	struct prefix p = { .len = 32 };

	to[strcspn(to, ":")] = '\0';
	return ip_parse(to, &p.addr) == 0 && has_subnet(b, &p);
}

static void unplaced(struct import_report *ret, const char *what, const char *detail)
{
	import_report_add(ret, "qemu-unplaced", 0, what, "%s", detail);
}

/* What was found and has no place in what it came to. */
static void tell_unplaced(const struct qemu_import *q, struct bridge *b, struct import_report *ret)
{
	bool bridged = !strcmp(mode_of(q, b), "bridged");

	if (bridged && b->addresses.n)
		unplaced(ret, b->name, "an address of a bridge with a NIC: give it to the NIC, which lends "
				       "it to the bridge");
	if (bridged && (b->dhcp_first || b->domain))
		unplaced(ret, b->name, "DHCP and DNS on another's segment");
	if (!bridged && b->uplink)
		unplaced(ret, b->name, "a NIC on a bridge that has NAT");
	if (b->dhcp_first && !b->dhcp_last)
		unplaced(ret, b->name, "a DHCP range without an end");
}

static void tell_unplaced_rules(struct qemu_import *q, struct import_report *ret)
{
	json_t *forward;
	size_t i;

	json_array_foreach(q->forwards, i, forward) {
		bool found = false;

		vec_each(b, &q->bridges)
			found |= leads_into(b, json_string_value(forward));
		if (!found)
			unplaced(ret, json_string_value(forward), "a forward into no network that was found");
	}
	vec_each(p, &q->nat_subnets) {
		bool found = false;

		vec_each(b, &q->bridges)
			found |= has_subnet(b, p);
		if (!found)
			unplaced(ret, "NAT", "of no subnet that was found");
	}
}

static json_t *network_to_be(const struct qemu_import *q, struct bridge *b)
{
	const char *mode = mode_of(q, b);
	json_t *net = json_pack("{s:s, s:{s:s}}", "mode", mode, "bridge", "name", b->name), *item;
	bool bridged = !strcmp(mode, "bridged");
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (b->uplink && bridged)
		json_object_set_new(net, "uplink", json_string(b->uplink));
	if (b->stp && (!bridged || b->uplink))
		json_object_set_new(json_object_get(net, "bridge"), "stp", json_true());
	if (bridged)
		return net;
	json_object_set_new(net, "addresses", json_array());
	vec_each(p, &b->addresses)
		json_array_append_new(json_object_get(net, "addresses"),
				      json_string(prefix_format(p, text)));
	if (b->dhcp_first && b->dhcp_last)
		json_object_set_new(net, "dhcp", dhcp_to_json(b));
	if (b->domain)
		json_object_set_new(net, "domain", json_string(b->domain));
	if (b->is_nat && q->nat_uplink)
		json_object_set_new(net, "nat", json_pack("{s:s}", "uplink", q->nat_uplink));
	json_array_foreach(q->forwards, i, item) {
		if (!leads_into(b, json_string_value(item)))
			continue;
		if (!json_object_get(net, "forwards"))
			json_object_set_new(net, "forwards", json_array());
		json_array_append(json_object_get(net, "forwards"), item);
	}
	return net;
}

int qemu_import_finish(struct qemu_import *q, network_vec *ret, struct import_report *rest,
		       struct vnet_error *err)
{
	json_t *networks = json_object();
	int r;

	vec_each(b, &q->bridges) {
		json_object_set_new(networks, b->name, network_to_be(q, b));
		tell_unplaced(q, b, rest);
	}
	tell_unplaced_rules(q, rest);
	r = networks_from_json(networks, ret, err);
	json_decref(networks);
	vec_each(net, ret)
		if (r == 0)
			r = network_check(*net, err);
	return r;
}
