/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolv.c - the host's resolvers, from the text of resolv.conf(5). */

#include "dhcp/conf.h"

#include <ctype.h>

static bool zone_is_valid(const char *zone)
{
	if (!*zone || strlen(zone) > 15)
		return false;
	for (; *zone; zone++)
		if (!isalnum((unsigned char)*zone) && !strchr("._-", *zone))
			return false;
	return true;
}

/* "192.0.2.1" or "fe80::1%eth0". */
static bool address_is_valid(const char *text)
{
	AUTO_FREE char *address = mem_strdup(text);
	char *zone = strchr(address, '%');
	struct ip ip;

	if (zone) {
		*zone++ = '\0';
		if (!zone_is_valid(zone))
			return false;
	}
	return !ip_parse(address, &ip) && !ip_is_any(&ip) && (!zone || ip.family == AF_INET6);
}

static void parse_line(const char *line, size_t len, dhcp_resolver_vec *ret)
{
	static const char keyword[] = "nameserver";
	AUTO_FREE char *address = NULL;
	size_t n = 0;

	if (len <= sizeof(keyword) || strncmp(line, keyword, sizeof(keyword) - 1))
		return;
	line += sizeof(keyword) - 1;
	len -= sizeof(keyword) - 1;
	if (*line != ' ' && *line != '\t')
		return;
	while (len && (*line == ' ' || *line == '\t'))
		line++, len--;
	while (n < len && !isspace((unsigned char)line[n]) && line[n] != '#' && line[n] != ';')
		n++;
	address = mem_strndup(line, n);
	if (!address_is_valid(address) || ret->n == DHCP_RESOLVERS_MAX)
		return;
	vec_each(known, ret)
		if (!strcmp(*known, address))
			return;
	vec_push(ret, TAKE(address));
}

void dhcp_resolvers_parse(const char *text, size_t size, dhcp_resolver_vec *ret)
{
	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		parse_line(text, len, ret);
		text += len + (end ? 1 : 0);
		size -= len + (end ? 1 : 0);
	}
}

void dhcp_resolvers_free(dhcp_resolver_vec *resolvers)
{
	vec_each(r, resolvers)
		free(*r);
	vec_free(resolvers);
}
