/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* endpoint.c - an address and ports in one text. */

#include "model/endpoint.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* "[2001:db8::1]" and what follows. */
static int parse_bracketed(const char *text, struct endpoint *ret)
{
	const char *end = strchr(text, ']');
	AUTO_FREE char *address = end ? mem_strndup(text + 1, (size_t)(end - text - 1)) : NULL;

	if (!end || ip_parse(address, &ret->ip) < 0 || ret->ip.family != AF_INET6)
		return -EINVAL;
	if (!end[1])
		return 0;
	return end[1] == ':' ? port_range_parse(end + 2, &ret->ports) : -EINVAL;
}

int endpoint_parse(const char *text, struct endpoint *ret)
{
	const char *colon = strchr(text, ':');
	AUTO_FREE char *address = NULL;

	*ret = (struct endpoint){ 0 };
	if (*text == '[')
		return parse_bracketed(text, ret);
	if (!colon)
		return strchr(text, '.') ? ip_parse(text, &ret->ip)
					 : port_range_parse(text, &ret->ports);
	if (strchr(colon + 1, ':'))
		return ip_parse(text, &ret->ip);
	if (port_range_parse(colon + 1, &ret->ports) < 0)
		return -EINVAL;
	address = mem_strndup(text, (size_t)(colon - text));
	return strcmp(address, "*") == 0 ? 0 : ip_parse(address, &ret->ip);
}

json_t *endpoint_to_json(const struct ip *ip, const struct port_range *ports)
{
	char a[ADDR_TEXT_MAX], p[ADDR_TEXT_MAX];
	AUTO_FREE char *text = NULL;

	if (!ip->family)
		return json_string(port_range_format(ports, p));
	ip_format(ip, a);
	if (!ports->first)
		return json_string(a);
	text = mem_printf(ip->family == AF_INET6 ? "[%s]:%s" : "%s:%s", a,
			  port_range_format(ports, p));
	return json_string(text);
}
