/* SPDX-License-Identifier: GPL-2.0-or-later */
/* helper.c - what the programs that QEMU calls share; see helper.h. */

#include "cli/helper.h"

#include "base/addr.h"
#include "cli/safe.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int parse_line(char *line, const char *file, unsigned number, char **ret_glob,
		      struct ifup_rule *ret, struct vnet_error *err);

int helper_find_network(struct vnet_client *client, const char *name, char **ret,
			struct vnet_error *err)
{
	const char *by_bridge = NULL, *by_name = NULL;
	const json_t *network;
	json_t *reply = NULL;
	size_t i;
	int r = client_call(client, "ListNetworks", NULL, &reply, err);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(reply, "networks"), i, network) {
		const char *its_name = json_string_value(json_object_get(network, "name"));
		const char *bridge = json_string_value(json_object_get(network, "bridge"));

		if (its_name && !strcmp(its_name, name))
			by_name = its_name;
		if (its_name && bridge && !strcmp(bridge, name) && !by_bridge)
			by_bridge = its_name;
	}
	if (by_name || by_bridge)
		*ret = mem_strdup(by_name ? by_name : by_bridge);
	else
		r = vnet_error_set(err, -ENOENT, "no-such-network",
				   "no network that you may use is called '%s' or has a bridge "
				   "of that name", name);
	json_decref(reply);
	return r;
}

int helper_fail(const char *program, const struct vnet_error *err)
{
	char text[1200];

	vnet_error_text(err, text, sizeof(text));
	fprintf(stderr, "%s: ", program);
	print_safe(stderr, text);
	fputc('\n', stderr);
	return 1;
}

int helper_check_socket(int fd, struct vnet_error *err)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return vnet_error_set(err, -errno, "usage", "--fd=%d: %s", fd, strerror(errno));
	if (domain != AF_UNIX)
		return vnet_error_set(err, -EINVAL, "usage", "--fd=%d is no UNIX socket", fd);
	return 0;
}

pid_t helper_socket_owner(int fd)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0 ||
	    peer.uid != getuid())
		return 0;
	return peer.pid;
}

int helper_send_fd(int socket, int fd, struct vnet_error *err)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	do
		n = sendmsg(socket, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return vnet_error_set(err, -errno, "internal",
				      "cannot hand the descriptor to QEMU: %s", strerror(errno));
	return 0;
}

int ifup_conf_match(const char *text, const char *file, const char *ifname, struct ifup_rule *ret,
		    struct vnet_error *err)
{
	AUTO_FREE char *copy = mem_strdup(text);
	char *rest = copy, *line;
	unsigned number = 0;
	int found = 0;

	while ((line = strsep(&rest, "\n"))) {
		struct ifup_rule rule = { 0 };
		char *glob = NULL;
		int r = parse_line(line, file, ++number, &glob, &rule, err);

		if (r < 0)
			return r;
		if (!found && glob && fnmatch(glob, ifname, 0) == 0) {
			*ret = rule;
			found = 1;
		}
	}
	return found;
}

bool ifup_name_fits(const char *ifname, const char *network)
{
	static const char *const prefixes[] = { "", "tap-", "vnet-" };
	size_t size = strlen(network);

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t skip = strlen(prefixes[i]);
		char next;

		if (strncmp(ifname, prefixes[i], skip) || strncmp(ifname + skip, network, size))
			continue;
		next = ifname[skip + size];
		if (!next || isdigit((unsigned char)next) || strchr("-._", next))
			return size > 0;
	}
	return false;
}

static int line_error(struct vnet_error *err, const char *file, unsigned number, const char *text)
{
	vnet_error_set(err, -EINVAL, "invalid-configuration", "%s", text);
	vnet_error_at(err, file, number, 1, NULL);
	return -EINVAL;
}

/* *ret_glob stays NULL for a line that says nothing. */
static int parse_line(char *line, const char *file, unsigned number, char **ret_glob,
		      struct ifup_rule *ret, struct vnet_error *err)
{
	char *words[4] = { 0 }, *word;
	struct mac mac;
	size_t n = 0;

	line[strcspn(line, "#")] = '\0';
	while ((word = strsep(&line, " \t\r")))
		if (*word) {
			if (n == 3)
				return line_error(err, file, number, "more than three words; a line "
						  "is: GLOB NETWORK [mac=MAC]");
			words[n++] = word;
		}
	if (n == 0)
		return 0;
	if (n == 1 || strlen(words[1]) >= sizeof(ret->network))
		return line_error(err, file, number,
				  "a line is: GLOB NETWORK [mac=MAC]");
	strcpy(ret->network, words[1]);
	if (n == 3) {
		if (strncmp(words[2], "mac=", 4) || mac_parse(words[2] + 4, &mac) < 0)
			return line_error(err, file, number,
					  "what can follow the network is mac=XX:XX:XX:XX:XX:XX");
		snprintf(ret->mac, sizeof(ret->mac), "%s", words[2] + 4);
	}
	*ret_glob = words[0];
	return 0;
}
