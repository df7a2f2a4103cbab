/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mac_name.c - MAC addresses that follow from names; see mac_name.h. */

#include "model/mac_name.h"

#include <string.h>

static uint64_t fnv1a(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ b[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t fmix64(uint64_t k)
{
	k = (k ^ (k >> 33)) * 0xff51afd7ed558ccdULL;
	k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53ULL;
	return k ^ (k >> 33);
}

uint64_t hash_of_names(const char *kind, const char *first, const char *second, unsigned attempt)
{
	const uint8_t tail[4] = { attempt & 0xff, attempt >> 8 & 0xff, attempt >> 16 & 0xff,
				  attempt >> 24 & 0xff };
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = fnv1a(hash, kind, strlen(kind) + 1);
	hash = fnv1a(hash, first, strlen(first) + 1);
	hash = fnv1a(hash, second, strlen(second) + 1);
	return fmix64(fnv1a(hash, tail, sizeof(tail)));
}

struct mac mac_from_names(const char *kind, const char *first, const char *second, unsigned attempt)
{
	uint64_t hash = hash_of_names(kind, first, second, attempt);

	return (struct mac){ { 0x52, 0x54, 0x00, hash >> 16 & 0xff, hash >> 8 & 0xff,
			       hash & 0xff } };
}
