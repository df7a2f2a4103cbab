/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcp.c - see dhcp.h. */

#include "cli/lab/dhcp.h"

#include "base/strbuf.h"
#include "cli/lab/small_file.h"
#include "cli/lab/space.h"
#include "cli/lab/spawn.h"
#include "kernel/addr.h"
#include "kernel/nl.h"
#include "kernel/route.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT SPACE_RUN "/dhcp-event"

int dhcp_prepare(const char *vnetctl, struct vnet_error *err)
{
	AUTO_FREE char *text = mem_printf("#!/bin/sh\nexec '%s' lab dhcp-event \"$@\"\n", vnetctl);
	int r = strchr(vnetctl, '\'') ? -EINVAL : small_file_write(AT_FDCWD, SCRIPT, text, strlen(text));

	if (r == 0 && chmod(SCRIPT, 0755) < 0)
		r = -errno;
	return r < 0 ? vnet_error_set(err, r, "no-folder", "cannot write %s: %s", SCRIPT, strerror(-r)) : 0;
}

pid_t dhcp_start(const struct lab_machine *machine, const struct lab_interface *interface, struct vnet_error *err)
{
	AUTO_FREE char *hostname = mem_printf("hostname:%s", machine->name);
	AUTO_FREE char *log = mem_printf("dhcp.%s.%s", machine->name, interface->name);
	const char *argv[] = { "busybox", "udhcpc", "-f", "-i", interface->name, "-s", SCRIPT, "-x", hostname,
			       "-t", "3", "-T", "1", "-A", "2", NULL };

	return spawn(machine->name, log, argv, err);
}

static char *lease_path(const char *machine, const char *interface)
{
	return mem_printf(SPACE_RUN "/lease/%s.%s", machine, interface);
}

char *dhcp_lease(const char *machine, const char *interface)
{
	AUTO_FREE char *path = lease_path(machine, interface);
	char *text = NULL;
	size_t size;

	if (small_file_read(AT_FDCWD, path, 128, &text, &size) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* --- what udhcpc tells --- */

static const char *told(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

static int change_address(uint16_t type, const char *interface, const struct prefix *prefix)
{
	struct addr addr = { .ifindex = (int)if_nametoindex(interface), .prefix = *prefix, .scope = RT_SCOPE_UNIVERSE,
			     .valid = UINT32_MAX, .preferred = UINT32_MAX };
	struct nl nl = { 0 };
	int r = nl_open(&nl, NETLINK_ROUTE, NULL);

	if (r == 0) {
		addr_add_request(&nl, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &addr);
		r = nl_send_all(&nl, NULL);
	}
	nl_close(&nl);
	return r;
}

static int set_gateway(const char *interface, const struct ip *gateway)
{
	struct route route = { .family = AF_INET, .table = RT_TABLE_MAIN, .dst = { .addr = { .family = AF_INET } },
			       .gateway = *gateway, .oif = (int)if_nametoindex(interface), .protocol = RTPROT_DHCP,
			       .type = RTN_UNICAST, .scope = RT_SCOPE_UNIVERSE };
	struct nl nl = { 0 };
	int r = nl_open(&nl, NETLINK_ROUTE, NULL);

	if (r == 0) {
		route_add_request(&nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route);
		r = nl_send_all(&nl, NULL);
	}
	nl_close(&nl);
	return r;
}

/* In place: the file is bound over /etc/resolv.conf. */
static void write_resolv(const char *machine)
{
	AUTO_FREE char *path = mem_printf(SPACE_RUN "/resolv/%s", machine);
	FILE *f = fopen(path, "we");
	const char *servers = told("dns");

	if (!f)
		return;
	if (*told("domain"))
		fprintf(f, "search %s\n", told("domain"));
	for (servers += strspn(servers, " "); *servers; servers += strspn(servers, " ")) {
		size_t len = strcspn(servers, " ");

		fprintf(f, "nameserver %.*s\n", (int)len, servers);
		servers += len;
	}
	fclose(f);
}

static void take_back(const char *machine, const char *interface)
{
	AUTO_FREE char *path = lease_path(machine, interface), *old = dhcp_lease(machine, interface);
	struct prefix prefix;

	if (old && prefix_parse(old, &prefix) == 0)
		change_address(RTM_DELADDR, interface, &prefix);
	unlink(path);
}

static int bound(const char *machine, const char *interface, struct vnet_error *err)
{
	AUTO_FREE char *text = mem_printf("%s/%s", told("ip"), told("mask"));
	AUTO_FREE char *path = lease_path(machine, interface), *line = mem_printf("%s\n", text);
	AUTO_FREE char *router = mem_strndup(told("router"), strcspn(told("router"), " "));
	struct prefix prefix;
	struct ip gateway;
	int r = prefix_parse(text, &prefix);

	if (r == 0)
		r = change_address(RTM_NEWADDR, interface, &prefix);
	if (r == 0 && ip_parse(router, &gateway) == 0)
		r = set_gateway(interface, &gateway);
	if (r < 0)
		return vnet_error_set(err, r, "kernel", "cannot set %s on %s: %s", text, interface, strerror(-r));
	write_resolv(machine);
	r = small_file_write(AT_FDCWD, path, line, strlen(line));
	return r < 0 ? vnet_error_set(err, r, "no-folder", "cannot write %s: %s", path, strerror(-r)) : 0;
}

int dhcp_event(const char *event, struct vnet_error *err)
{
	const char *machine = told("LAB_MACHINE"), *interface = told("interface");

	if (name_check(machine, LAB_MACHINE_NAME_MAX, err) < 0 || ifname_check(interface, err) < 0)
		return -EINVAL;
	if (strcmp(event, "deconfig") == 0)
		take_back(machine, interface);
	else if (strcmp(event, "bound") == 0 || strcmp(event, "renew") == 0)
		return bound(machine, interface, err);
	return 0;
}
