/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_CLIENT_CLIENT_H
#define VNET_CLIENT_CLIENT_H

/*
 * client.h - the client library with JSON as values instead of text
 *
 * For our own programs, which use jansson anyway.  vnet/vnet.h is the same with
 * text, and says what holds for both: life cycle, errors, descriptors.
 */

#include "client/wire.h"
#include "vnet/vnet.h"

#include <jansson.h>

/* parameters is borrowed and may be NULL.  *ret_reply is a new reference. */
int client_call(struct vnet_client *client, const char *method, const json_t *parameters,
		json_t **ret_reply, struct vnet_error *err);
/* The same for a reply that brings descriptors: the caller's, in the order of the reply's `fds`. */
int client_call_fds(struct vnet_client *client, const char *method, const json_t *parameters,
		    json_t **ret_reply, fd_vec *ret_fds, struct vnet_error *err);
/* The last error's parameters, borrowed, or NULL. */
const json_t *client_error_parameters(const struct vnet_client *client);

int client_subscribe(struct vnet_client *client, const char *method, const json_t *parameters,
		     struct vnet_error *err);
typedef void (*client_handler)(void *context, const json_t *parameters);
/* As vnet_client_dispatch(). */
int client_dispatch(struct vnet_client *client, client_handler handler, void *context,
		    struct vnet_error *err);
/* Waits for one answer of the stream (timeout_ms -1: for ever) and returns it: 0, 1 for the last, or -errno. */
int client_next(struct vnet_client *client, int timeout_ms, json_t **ret_parameters,
		struct vnet_error *err);

/* attach.c: the parameters of AttachPort that a request stands for.  New reference. */
json_t *client_attach_parameters(const struct vnet_attach_request *request);
/* Of these, what UpdatePort takes too, from VLANs to bandwidth: added to parameters. */
void client_port_settings(const struct vnet_attach_request *request, json_t *parameters);
/* Makes a port of AttachPort's reply and its descriptors, which it takes over on success. */
int client_port_new(json_t *reply, fd_vec *fds, struct vnet_port **ret, struct vnet_error *err);

#endif
