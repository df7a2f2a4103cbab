/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_PROBE_NET_H
#define CLI_LAB_PROBE_NET_H

/*
 * probe_net.h - packets that probes send and wait for, from the network that the process is in
 *
 * All waits are bounded.  Functions that fail say why in reason.
 */

#include "base/addr.h"

/* An ICMP echo a second, until one is answered. */
bool net_ping(const struct ip *to, unsigned tries, char *reason, size_t size);
bool net_connect(const struct ip *to, unsigned port, char *reason, size_t size);
/* Something is said, and something comes back. */
bool net_ask_udp(const struct ip *to, unsigned port, char *reason, size_t size);
/* A page, with status 200; *ret_body is the caller's, also when it is another status. */
bool net_get(const struct ip *to, unsigned port, char **ret_body, char *reason, size_t size);
/* By the resolver of the machine's resolv.conf; family 0: IPv4, else IPv6. */
bool net_resolve(const char *machine, const char *name, int family, struct ip *ret, char *reason, size_t size);

/* A listening TCP socket on that address, or negative errno; stays in the network that it was made in. */
int net_listen(const struct ip *address);
/* Sends there as fast as it goes for some time; bit/s of what arrived at the listener, or -1.  Closes it. */
double net_measure(const struct ip *to, int listener, unsigned ms, char *reason, size_t size);

struct net_listener { const char *name; int fd; bool has_heard; };
/* What the frame asks for: an address that nobody has. */
struct ip net_token(void);
/* Hears every frame of every interface. */
int net_listen_raw(void);
/* An ARP request out of every interface that is up: what every guard lets an honest guest broadcast. */
void net_broadcast(const struct ip *token);
void net_hear(struct net_listener *listeners, size_t n, const struct ip *token, unsigned ms);

#endif
