/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_MAC_NAME_H
#define VNET_MODEL_MAC_NAME_H

#include "base/addr.h"

/*
 * mac_name.h - MAC addresses that follow from names, stable for ever
 *
 * 52:54:00 (QEMU's and libvirt's, locally administered) and the low 24 bits of
 *
 *	fmix64(FNV-1a-64(kind NUL first NUL second NUL attempt as 4 bytes, low first))
 *
 * with FNV-1a's offset basis 0xcbf29ce484222325 and prime 0x100000001b3, and
 * MurmurHash3's 64-bit finalizer, because FNV-1a's low bits mix badly on short
 * keys.  tests/unit/test_port.c holds known values: guests' leases and licences
 * hang on these addresses, so the function never changes.
 */
struct mac mac_from_names(const char *kind, const char *first, const char *second,
			  unsigned attempt);
/* The same 64 bits, for names of devices that have to be short. */
uint64_t hash_of_names(const char *kind, const char *first, const char *second, unsigned attempt);

#endif
