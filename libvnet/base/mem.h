/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_BASE_MEM_H
#define VNET_BASE_MEM_H

/*
 * mem.h - allocation, scoped cleanup and vectors
 *
 * Allocation never fails for the caller: everything that a client or a file
 * can make us allocate has a named limit that is checked before, so what is
 * left is a machine without memory, and there abort() is the safe answer: the
 * kernel keeps forwarding by the rules in force and the next start converges.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *mem_resize(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s);                  /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
/* Frees *s and puts a copy of value (or NULL) there. */
void mem_replace(char **s, const char *value);

static inline void mem_free_ptr(void *p) { free(*(void **)p); }

/* AUTO(free_fn) type *x = NULL: free_fn(x) when x leaves its scope. */
#define AUTO_FREE __attribute__((cleanup(mem_free_ptr)))
#define AUTO(fn) __attribute__((cleanup(fn##_ptr)))
/* Defines fn_ptr() for AUTO(fn), for a free function that takes `type *`. */
#define DEFINE_AUTO(type, fn) \
	static inline void fn##_ptr(type **p) { fn(*p); } \
	struct vnet_swallow_semicolon
/* Hands the pointer over: the scope no longer frees it. */
#define TAKE(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

/* VEC(type): a growing array.  Zero-initialise; v[0..n) are the items. */
#define VEC(type) struct { type *v; size_t n, cap; }
void mem_vec_grow(void **v, size_t *cap, size_t n, size_t size);
#define vec_reserve(vec, count) \
	mem_vec_grow((void **)&(vec)->v, &(vec)->cap, (count), sizeof(*(vec)->v))
/* Appends item and evaluates to a pointer to it. */
#define vec_push(vec, ...) \
	(vec_reserve(vec, (vec)->n + 1), (vec)->v[(vec)->n] = (__VA_ARGS__), &(vec)->v[(vec)->n++])
/* Appends a zeroed item and evaluates to a pointer to it. */
#define vec_add(vec) \
	(vec_reserve(vec, (vec)->n + 1), \
	 (__typeof__((vec)->v))memset(&(vec)->v[(vec)->n++], 0, sizeof(*(vec)->v)))
#define vec_remove(vec, index) \
	do { \
		size_t i_ = (index); \
		memmove(&(vec)->v[i_], &(vec)->v[i_ + 1], \
			((vec)->n - i_ - 1) * sizeof(*(vec)->v)); \
		(vec)->n--; \
	} while (0)
/* Frees the array, not what its items own. */
#define vec_free(vec) \
	do { free((vec)->v); (vec)->v = NULL; (vec)->n = (vec)->cap = 0; } while (0)
#define vec_sort(vec, cmp) \
	do { if ((vec)->n > 1) qsort((vec)->v, (vec)->n, sizeof(*(vec)->v), cmp); } while (0)
/* for (type *it = ...) over all items; the array may belong to a const object */
#define vec_each(it, vec) \
	for (__typeof__(*(vec)->v) *it = (vec)->v; it && it < (vec)->v + (vec)->n; it++)

/*
 * Binary search in n sorted items of size bytes: where the item with this key
 * is, or where it would go. compare gives the order of key and an item.
 */
size_t mem_search(const void *items, size_t n, size_t size, const void *key,
		  int (*compare)(const void *key, const void *item), bool *ret_found);
#define vec_search(vec, key, compare, ret_found) \
	mem_search((vec)->v, (vec)->n, sizeof(*(vec)->v), key, compare, ret_found)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
