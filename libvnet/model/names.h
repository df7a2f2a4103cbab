/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NAMES_H
#define VNET_MODEL_NAMES_H

/*
 * names.h - what names and texts may hold
 *
 * Much of it ends in dnsmasq's configuration, in nftables text, in paths and in
 * logs, so each check is a list of what is accepted, never of what is refused.
 * All return 0, or -EINVAL with a message that quotes the text; the caller adds
 * the position.
 */

#include "vnet/error.h"

#include <stddef.h>

/* A network: name_check() and not a reserved word. */
int network_name_check(const char *text, struct vnet_error *err);
int port_name_check(const char *text, struct vnet_error *err);
/* One label of letters, digits and '-' (RFC 1123), at most 63 bytes. */
int hostname_check(const char *text, struct vnet_error *err);
/* Labels joined by dots, at most 253 bytes (RFC 1035, RFC 1123). */
int domain_check(const char *text, struct vnet_error *err);
/* The same, '_' allowed: the names of SRV, TXT and CNAME records (RFC 2782, RFC 8552). */
int record_name_check(const char *text, struct vnet_error *err);
/* "ldap" or "_ldap": at most 15 letters, digits and '-' (RFC 6335). */
int service_check(const char *text, struct vnet_error *err);
/* Printable ASCII, spaces included; may hold quotes, commas and backslashes. */
int printable_check(const char *text, struct vnet_error *err);
/* A DHCP option's value: printable ASCII without '"', '\\' and '#'. */
int option_value_check(const char *text, struct vnet_error *err);
/* A file name or URL in one word: no white space, comma, quote, backslash, '#'. */
int word_check(const char *text, struct vnet_error *err);
/* An absolute path made of such words, without "..". */
int path_check(const char *text, struct vnet_error *err);
/* A DHCPv6 client's identifier (RFC 8415, 11.1): 3 to 130 bytes, two hexadecimal digits each, joined by ':'. */
int duid_check(const char *text, struct vnet_error *err);
/* A pattern for names: their letters, and '*', '?'. */
int glob_check(const char *text, struct vnet_error *err);

#endif
