/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * leases.c - dnsmasq's lease file
 *
 * One lease a line, five words (src/lease.c of dnsmasq 2.90):
 *
 *   EXPIRY MAC ADDRESS HOSTNAME|* CLIENT-ID|*      DHCPv4
 *   duid SERVER-DUID                               from here on DHCPv6
 *   EXPIRY [T]IAID ADDRESS HOSTNAME|* DUID
 *
 * A MAC of another hardware type than Ethernet is written as TYPE-MAC.
 */

#include "dhcp/leases.h"

#include <ctype.h>
#include <errno.h>

#define N_WORDS 5
#define WORD_MAX (3 * LEASE_CLIENT_ID_MAX)

static void parse_line(const char *line, size_t len, struct lease_file *file);

static void lease_clear(struct lease *lease)
{
	free(lease->hostname);
	free(lease->client_id);
}

void lease_file_free(struct lease_file *file)
{
	vec_each(lease, &file->leases)
		lease_clear(lease);
	vec_free(&file->leases);
	free(file->server_duid);
	file->server_duid = NULL;
}

static int compare_leases(const void *a, const void *b)
{
	const struct lease *x = a, *y = b;

	return ip_cmp(&x->address, &y->address);
}

/* dnsmasq does not write an address twice; whoever does gets the one with the later end. */
static void drop_duplicates(struct lease_file *file)
{
	size_t kept = 0;

	for (size_t i = 0; i < file->leases.n; i++) {
		struct lease *lease = &file->leases.v[i];
		struct lease *last = kept ? &file->leases.v[kept - 1] : NULL;

		if (!last || ip_cmp(&last->address, &lease->address)) {
			file->leases.v[kept++] = *lease;
		} else if (last->expires && (!lease->expires || lease->expires > last->expires)) {
			lease_clear(last);
			*last = *lease;
		} else {
			lease_clear(lease);
		}
	}
	file->leases.n = kept;
}

void lease_file_parse(const char *text, size_t size, struct lease_file *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (size) {
		const char *end = memchr(text, '\n', size);

		if (!end) {
			ret->is_cut = true;
			break;
		}
		parse_line(text, (size_t)(end - text), ret);
		size -= (size_t)(end - text) + 1;
		text = end + 1;
	}
	vec_sort(&ret->leases, compare_leases);
	drop_duplicates(ret);
}

const struct lease *lease_find(const struct lease_file *file, const struct ip *address)
{
	struct lease key = { .address = *address };

	if (!file->leases.n)
		return NULL;
	return bsearch(&key, file->leases.v, file->leases.n, sizeof(key), compare_leases);
}

/* --- words --- */

static bool is_word_char(unsigned char c)
{
	return c > ' ' && c != 0x7f;
}

/* Splits into exactly n words between single spaces; false otherwise. */
static bool split(const char *line, size_t len, char words[][WORD_MAX + 1], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t size = 0;

		while (size < len && is_word_char((unsigned char)line[size]))
			size++;
		if (!size || size > WORD_MAX)
			return false;
		memcpy(words[i], line, size);
		words[i][size] = '\0';
		line += size;
		len -= size;
		if (i + 1 < n) {
			if (!len || *line != ' ')
				return false;
			line++;
			len--;
		}
	}
	return !len;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret <= max;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t lease_client_id_bytes(const char *client_id, uint8_t *ret, size_t size)
{
	size_t n = 0;

	for (const char *s = client_id;; s += 3) {
		int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

		if (low < 0 || n == size)
			return 0;
		ret[n++] = (uint8_t)(high << 4 | low);
		if (!s[2])
			return n;
		if (s[2] != ':')
			return 0;
	}
}

/* NULL for "*", and for what is no list of hex pairs. */
static char *copy_client_id(const char *text)
{
	uint8_t bytes[LEASE_CLIENT_ID_MAX];
	char *copy;

	if (!lease_client_id_bytes(text, bytes, sizeof(bytes)))
		return NULL;
	copy = mem_strdup(text);
	for (char *s = copy; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return copy;
}

/* dnsmasq lets only legal host names in; so do we, whatever wrote the file. */
static char *copy_hostname(const char *text)
{
	if (!strcmp(text, "*") || strlen(text) > LEASE_HOSTNAME_MAX)
		return NULL;
	for (const char *s = text; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return NULL;
	return mem_strdup(text);
}

/* RFC 8415 section 11: DUID-LLT is 1, type, time, address; DUID-LL is 3, type, address. */
static void mac_from_duid(struct lease *lease)
{
	uint8_t b[LEASE_CLIENT_ID_MAX];
	size_t n = lease->client_id ? lease_client_id_bytes(lease->client_id, b, sizeof(b)) : 0;
	size_t at = 0;

	if (n == 14 && b[0] == 0 && b[1] == 1)
		at = 8;
	else if (n == 10 && b[0] == 0 && b[1] == 3)
		at = 4;
	if (!at || b[2] != 0 || b[3] != 1)
		return;
	memcpy(lease->mac.b, b + at, 6);
	lease->has_mac = true;
}

static bool parse_identity(struct lease *lease, const char *word, const char *client_id)
{
	uint64_t iaid;

	lease->client_id = copy_client_id(client_id);
	if (lease->address.family == AF_INET) {
		lease->has_mac = !mac_parse(word, &lease->mac);
		return true;
	}
	lease->is_temporary = *word == 'T';
	if (!parse_number(word + lease->is_temporary, UINT32_MAX, &iaid)) {
		free(lease->client_id);
		return false;
	}
	lease->iaid = (uint32_t)iaid;
	mac_from_duid(lease);
	return true;
}

static void parse_line(const char *line, size_t len, struct lease_file *file)
{
	static const char duid[] = "duid ";
	char words[N_WORDS][WORD_MAX + 1];
	struct lease lease = { 0 };

	if (len > sizeof(duid) - 1 && !memcmp(line, duid, sizeof(duid) - 1)) {
		AUTO_FREE char *text =
			mem_strndup(line + sizeof(duid) - 1, len - (sizeof(duid) - 1));

		free(file->server_duid);
		file->server_duid = copy_client_id(text);
		return;
	}
	if (!split(line, len, words, N_WORDS) ||
	    !parse_number(words[0], UINT64_MAX, &lease.expires) ||
	    ip_parse(words[2], &lease.address) < 0 ||
	    !parse_identity(&lease, words[1], words[4]))
		return;
	lease.hostname = copy_hostname(words[3]);
	vec_push(&file->leases, lease);
}

/* --- differences --- */

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_holder(const struct lease *a, const struct lease *b)
{
	return a->has_mac == b->has_mac && !mac_cmp(&a->mac, &b->mac) && a->iaid == b->iaid &&
	       a->is_temporary == b->is_temporary && texts_equal(a->hostname, b->hostname) &&
	       texts_equal(a->client_id, b->client_id);
}

static void report(lease_change_fn fn, void *context, enum lease_change change,
		   const struct lease *lease)
{
	if (fn)
		fn(context, change, lease);
}

size_t leases_compare(const struct lease_file *before, const struct lease_file *after,
		      lease_change_fn fn, void *context)
{
	size_t i = 0, j = 0, removed = 0;

	while (i < before->leases.n || j < after->leases.n) {
		const struct lease *a = i < before->leases.n ? &before->leases.v[i] : NULL;
		const struct lease *b = j < after->leases.n ? &after->leases.v[j] : NULL;
		int order = !a ? 1 : !b ? -1 : ip_cmp(&a->address, &b->address);

		if (!order && same_holder(a, b)) {
			if (a->expires != b->expires)
				report(fn, context, LEASE_RENEWED, b);
		} else {
			if (order <= 0) {
				report(fn, context, LEASE_REMOVED, a);
				removed++;
			}
			if (order >= 0)
				report(fn, context, LEASE_ADDED, b);
		}
		i += order <= 0;
		j += order >= 0;
	}
	return removed;
}
