/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_LISTENERS_H
#define VNET_KERNEL_LISTENERS_H

/* listeners.h - who listens where dnsmasq wants to; see kernel_list_listeners() */

#include "doctor/doctor.h"

/* control: any socket, by which interfaces are named. */
void listeners_list(int control, doctor_socket_vec *ret);

#endif
