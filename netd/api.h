/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_API_H
#define NETD_API_H

/* api.h - what the methods of io.vnet.Netd share */

#include "netd/netd.h"

const struct server_interface *api_init(struct netd *d);
extern const char api_description[];  /* libvnet/io.vnet.Netd.varlink, put in at build time */

void api_get_info(void *context, struct call *call, const json_t *parameters);
void api_apply(void *context, struct call *call, const json_t *parameters);
void api_plan(void *context, struct call *call, const json_t *parameters);
void api_list_networks(void *context, struct call *call, const json_t *parameters);
void api_describe_network(void *context, struct call *call, const json_t *parameters);
void api_repair(void *context, struct call *call, const json_t *parameters);
void api_start_network(void *context, struct call *call, const json_t *parameters);
void api_stop_network(void *context, struct call *call, const json_t *parameters);
void api_delete_network(void *context, struct call *call, const json_t *parameters);
void api_stop_networks(void *context, struct call *call, const json_t *parameters);
void api_delete_networks(void *context, struct call *call, const json_t *parameters);
void api_list_groups(void *context, struct call *call, const json_t *parameters);
void api_describe_group(void *context, struct call *call, const json_t *parameters);
void api_delete_group(void *context, struct call *call, const json_t *parameters);
void api_attach_port(void *context, struct call *call, const json_t *parameters);
void api_detach_port(void *context, struct call *call, const json_t *parameters);
void api_detach_ports(void *context, struct call *call, const json_t *parameters);
void api_update_port(void *context, struct call *call, const json_t *parameters);
void api_list_ports(void *context, struct call *call, const json_t *parameters);
void api_describe_port(void *context, struct call *call, const json_t *parameters);
void api_list_leases(void *context, struct call *call, const json_t *parameters);
void api_list_fdb(void *context, struct call *call, const json_t *parameters);
void api_diagnose(void *context, struct call *call, const json_t *parameters);
void api_fix(void *context, struct call *call, const json_t *parameters);
void api_unfix(void *context, struct call *call, const json_t *parameters);
void api_trace(void *context, struct call *call, const json_t *parameters);
void api_monitor(void *context, struct call *call, const json_t *parameters);

/* Each checks or takes a parameter; what is wrong fails the call and gives false. */
bool api_only_keys(struct call *call, const json_t *parameters, const char *const *keys);
bool api_string(struct call *call, const json_t *parameters, const char *key, bool required,
		const char **ret);
/* The string of key, or the list of at most max different ones; borrowed. */
typedef VEC(const char *) string_vec;
bool api_strings(struct call *call, const json_t *parameters, const char *key, size_t max,
		 string_vec *ret);
bool api_bool(struct call *call, const json_t *parameters, const char *key, bool *ret);

/* The named object if the peer may use it; else the call is failed and NULL returned. */
struct network_entry *api_network(struct netd *d, struct call *call, const char *name);
struct port_entry *api_port(struct netd *d, struct call *call, const char *name);
bool api_may_see(struct netd *d, struct call *call, const struct network_entry *entry);

json_t *network_info(struct netd *d, const struct network_entry *entry);
json_t *port_info(struct netd *d, const struct port_entry *entry, bool with_counters);

#endif
