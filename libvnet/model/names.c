/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.c - what names and texts may hold; see names.h. */

#include "model/names.h"

#include "model/network.h"
#include "model/node.h"
#include "model/port.h"

#include <ctype.h>
#include <errno.h>

static bool is_alnum(char c)
{
	return isalnum((unsigned char)c) && (unsigned char)c < 0x80;
}

/* Every byte is a letter, a digit or in extra. */
static bool made_of(const char *text, const char *extra)
{
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr(extra, *text))
			return false;
	return true;
}

static int refuse(struct vnet_error *err, const char *code, const char *text, const char *rule)
{
	char buf[TEXT_QUOTE_MAX];

	return vnet_error_set(err, -EINVAL, code, "%s is not accepted: %s", text_quote(text, buf),
			      rule);
}

int name_check(const char *name, size_t max, struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	if (!*name)
		return vnet_error_set(err, -EINVAL, "bad-name", "the name is empty; give one");
	if (strlen(name) > max)
		return vnet_error_set(err, -EINVAL, "bad-name",
				      "the name %s has %zu bytes; at most %zu are accepted",
				      text_quote(name, buf), strlen(name), max);
	if (!is_alnum(*name) || !made_of(name, "-_."))
		return vnet_error_set(
			err, -EINVAL, "bad-name",
			"the name %s is not accepted: letters, digits, '-', '_' and '.', "
			"the first a letter or digit",
			text_quote(name, buf));
	return 0;
}

int ifname_check(const char *name, struct vnet_error *err)
{
	static const char *const reserved[] = { ".", "..", "all", "default" };
	size_t len = strlen(name);

	if (!len || len > 15)
		return refuse(err, "bad-interface-name", name,
			      "an interface name has 1 to 15 bytes (the kernel's IFNAMSIZ)");
	/* dev_valid_name() takes more; what breaks rules, paths or configuration is left out. */
	if (!made_of(name, "-_.@+=~^!"))
		return refuse(err, "bad-interface-name", name,
			      "an interface name holds letters, digits and - _ . @ + = ~ ^ !");
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			return refuse(err, "bad-interface-name", name,
				      "the kernel uses this word for something else");
	return 0;
}

int network_name_check(const char *text, struct vnet_error *err)
{
	static const char *const reserved[] = { "all", "networks", "groups" };
	int r = name_check(text, NETWORK_NAME_MAX, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(reserved); i++)
		if (strcmp(text, reserved[i]) == 0)
			r = refuse(err, "bad-name", text, "the word has a meaning of its own");
	return r;
}

int port_name_check(const char *text, struct vnet_error *err)
{
	return name_check(text, PORT_NAME_MAX, err);
}

/* Labels of 1..63 bytes, none beginning or ending with '-'; extra: more letters. */
static bool is_domain(const char *text, const char *extra)
{
	size_t label = 0;

	if (!*text || strlen(text) > 253)
		return false;
	for (const char *p = text;; p++) {
		if (*p == '.' || *p == '\0') {
			if (label == 0 || label > 63 || p[-1] == '-')
				return false;
			if (!*p)
				return true;
			label = 0;
			continue;
		}
		if (!is_alnum(*p) && !(*p == '-' && label) && !(*extra && *p == *extra))
			return false;
		label++;
	}
}

int hostname_check(const char *text, struct vnet_error *err)
{
	if (is_domain(text, "") && !strchr(text, '.'))
		return 0;
	return refuse(err, "bad-host-name", text,
		      "a host name is one label of at most 63 letters, digits and inner '-'");
}

int domain_check(const char *text, struct vnet_error *err)
{
	if (is_domain(text, ""))
		return 0;
	return refuse(err, "bad-domain", text,
		      "a domain name has labels of letters, digits and inner '-', joined by '.', "
		      "at most 253 bytes");
}

int record_name_check(const char *text, struct vnet_error *err)
{
	if (is_domain(text, "_"))
		return 0;
	return refuse(err, "bad-domain", text,
		      "a record's name has labels of letters, digits, '_' and inner '-', joined by "
		      "'.', at most 253 bytes");
}

int service_check(const char *text, struct vnet_error *err)
{
	const char *name = *text == '_' ? text + 1 : text;

	if (is_domain(name, "") && !strchr(name, '.') && strlen(name) <= 15)
		return 0;
	return refuse(err, "bad-service", text,
		      "at most 15 letters, digits and inner '-', like ldap or tcp");
}

int printable_check(const char *text, struct vnet_error *err)
{
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p >= 0x7f)
			return refuse(err, "bad-text", text, "only printable ASCII may be in it");
	return 0;
}

static int refuse_letters(const char *text, const char *letters, const char *rule,
			  struct vnet_error *err)
{
	int r = printable_check(text, err);

	if (r == 0 && strpbrk(text, letters))
		r = refuse(err, "bad-text", text, rule);
	return r;
}

int option_value_check(const char *text, struct vnet_error *err)
{
	return refuse_letters(text, "\"\\#", "an option's value has no '\"', '\\' or '#'", err);
}

int word_check(const char *text, struct vnet_error *err)
{
	if (!*text)
		return refuse(err, "bad-text", text, "it is empty");
	return refuse_letters(text, " ,\"'\\#`",
			      "no blank, comma, quote, backslash or '#' may be in it", err);
}

int path_check(const char *text, struct vnet_error *err)
{
	int r = word_check(text, err);

	if (r < 0)
		return r;
	if (*text != '/')
		return refuse(err, "bad-path", text, "the path must be absolute, from /");
	for (const char *p = text; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return refuse(err, "bad-path", text, "it must not climb with \"..\"");
	return 0;
}

int duid_check(const char *text, struct vnet_error *err)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF:");
	bool is_good = !text[n] && n % 3 == 2 && n >= 8 && n <= 389;

	for (size_t i = 0; is_good && i < n; i++)
		is_good = (i % 3 == 2) == (text[i] == ':');
	if (is_good)
		return 0;
	return refuse(err, "bad-text", text,
		      "a DUID has 3 to 130 bytes, two hexadecimal digits each, joined by ':'");
}

int glob_check(const char *text, struct vnet_error *err)
{
	if (*text && strlen(text) <= 63 && made_of(text, "-_.*?"))
		return 0;
	return refuse(err, "bad-pattern", text,
		      "a pattern has at most 63 letters, digits, '-', '_', '.', '*' and '?'");
}
