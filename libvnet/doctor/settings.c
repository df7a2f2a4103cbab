/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings.c - configuration files of others, as far as they concern us */

#include "doctor/doctor.h"

#include <ctype.h>
#include <stdio.h>

#define LINE_MAX_SHOWN 80

/* The next line without what is around it, or NULL; copied. */
static char *next_line(const char **text)
{
	size_t n = strcspn(*text, "\n"), start = 0;
	char *line;

	if (!**text)
		return NULL;
	while (start < n && isspace((unsigned char)(*text)[start]))
		start++;
	line = mem_strndup(*text + start, n - start);
	*text += n + ((*text)[n] == '\n');
	for (n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
		line[n - 1] = '\0';
	return line;
}

static void add(struct doctor_facts *facts, enum setting setting, const char *path, unsigned line, const char *text)
{
	vec_push(&facts->settings, (struct doctor_setting){
		.setting = setting, .where = mem_printf("%s:%u", path, line),
		.text = mem_strndup(text, LINE_MAX_SHOWN) });
}

/* "-net.ipv4.ip_forward = 0", with dots or slashes. */
static bool switches_forwarding_off(const char *line)
{
	static const char *const keys[] = { "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding",
					    "net.ipv6.conf.all.forwarding" };
	char key[64] = "";
	size_t n = 0;

	if (*line == '-')
		line++;
	while (n < sizeof(key) - 1 && *line && *line != '=' && !isspace((unsigned char)*line)) {
		key[n++] = *line == '/' ? '.' : *line;
		line++;
	}
	line += strspn(line, " \t");
	if (*line != '=')
		return false;
	line += 1 + strspn(line + 1, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return strcmp(line, "0") == 0;
	return false;
}

void doctor_read_sysctl_conf(const char *path, const char *text, struct doctor_facts *facts)
{
	char *line;

	for (unsigned n = 1; (line = next_line(&text)); n++) {
		if (switches_forwarding_off(line))
			add(facts, SETTING_FORWARDING_OFF, path, n, line);
		free(line);
	}
}

static bool is_bridge_of_ours(const struct doctor_facts *facts, const char *name)
{
	vec_each (network, &facts->networks)
		if (network->bridge[0] && strcmp(network->bridge, name) == 0 && network_owns_bridge(network->net))
			return true;
	return false;
}

void doctor_read_bridge_conf(const char *path, const char *text, struct doctor_facts *facts)
{
	char *line;

	for (unsigned n = 1; (line = next_line(&text)); n++) {
		char word[16] = "", name[16] = "";

		if (sscanf(line, "%15s %15s", word, name) == 2 && strcmp(word, "allow") == 0 &&
		    (strcmp(name, "all") == 0 || is_bridge_of_ours(facts, name)))
			add(facts, SETTING_BRIDGE_CONF, path, n, line);
		free(line);
	}
}

bool doctor_names_our_devices(const char *text)
{
	char *line;
	bool found = false;

	while ((line = next_line(&text))) {
		found |= line[0] != '#' && strstr(line, NETWORK_BRIDGE_PREFIX);
		free(line);
	}
	return found;
}
