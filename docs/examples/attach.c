/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach.c - asks for a port and keeps it until Enter: cc attach.c $(pkg-config --cflags --libs vnet) */

#include <vnet/vnet.h>

#include <err.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct vnet_attach_request request = VNET_ATTACH_REQUEST_INIT;
	struct vnet_client *client = NULL;
	struct vnet_port *port = NULL;
	struct vnet_error error = { 0 };

	if (argc < 2)
		errx(2, "usage: attach NETWORK [PORT]");
	request.network = argv[1];
	request.name = argv[2];
	if (vnet_client_connect(NULL, &client, &error) < 0 ||
	    vnet_client_attach(client, &request, &port, &error) < 0)
		errx(1, "%s", error.message);
	vnet_client_free(client);
	printf("%s on %s: %s, MAC %s, descriptor %d\n", port->name, port->network, port->ifname,
	       port->mac, port->fds[0].fd);
	for (char **argument = port->qemu_args; *argument; argument++)
		printf("%s%s", *argument, argument[1] ? " " : "\n");
	getchar();
	vnet_port_free(port); /* the last descriptor closes: the port is gone */
	return 0;
}
