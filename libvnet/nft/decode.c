/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * decode.c - our tables, read back
 *
 * Rules come back as comment and fingerprint (see ast.h), sets with their
 * elements.  Whatever we would never have written - a set of another type, a
 * base chain with another policy, a catch-all element - marks the table
 * foreign, and the next diff replaces it.
 *
 * Only chains can't be asked for by table; those of other tables are skipped.
 */

#include "kernel/nl.h"
#include "nft/edge.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DUMP_ATTEMPTS 10
/* What our sets never are: anonymous, constant, interval, timeout, eval, object. */
#define SET_FLAGS_COMPARED 0x7fu

/* Requests. */

struct request {
	_Alignas(struct nlmsghdr) uint8_t buf[512];
	struct nlmsghdr *head;
};

static void request_init(struct request *r, uint16_t type, enum nft_family family, uint16_t flags)
{
	struct nfgenmsg *gen;

	/* The padding behind attributes goes to the kernel as well. */
	memset(r->buf, 0, sizeof(r->buf));
	r->head = mnl_nlmsg_put_header(r->buf);
	r->head->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	r->head->nlmsg_flags = NLM_F_REQUEST | flags;
	r->head->nlmsg_seq = nft_reserve_seq(1);
	gen = mnl_nlmsg_put_extra_header(r->head, sizeof(*gen));
	gen->nfgen_family = nft_kernel_family(family);
	gen->version = NFNETLINK_V0;
}

static int read_error(const struct nlmsghdr *head)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(head);

	return mnl_nlmsg_get_payload_len(head) < sizeof(*e) || e->error > 0 ? -EPROTO : e->error;
}

/* How a list ended: the kernel may have given up in the middle of it. */
static int read_end(const struct nlmsghdr *head)
{
	int r = 0;

	if (mnl_nlmsg_get_payload_len(head) >= sizeof(r))
		memcpy(&r, mnl_nlmsg_get_payload(head), sizeof(r));
	return r < 0 ? r : 0;
}

typedef void (*reply_fn)(void *context, const struct nlmsghdr *head);

/*
 * Sends, and calls reply for each object of the answer.  Reads to the end of
 * the answer even when the dump was interrupted, so that the next request
 * finds an empty socket.
 */
static int talk(struct mnl_socket *socket, struct request *r, reply_fn reply, void *context)
{
	_Alignas(struct nlmsghdr) uint8_t buf[32768];
	bool is_dump = (r->head->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	bool was_interrupted = false;

	if (mnl_socket_sendto(socket, r->head, r->head->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(socket), buf, sizeof(buf), 0);
		struct nl_reader reader = { (const char *)buf, n > 0 ? (size_t)n : 0 };
		const struct nlmsghdr *head;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		while ((head = nl_next(&reader))) {
			if (head->nlmsg_seq != r->head->nlmsg_seq)
				continue;
			was_interrupted |= (head->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (head->nlmsg_type == NLMSG_ERROR)
				return read_error(head);
			if (head->nlmsg_type == NLMSG_DONE)
				return was_interrupted ? -EINTR : read_end(head);
			reply(context, head);
			if (!is_dump && !(r->head->nlmsg_flags & NLM_F_ACK))
				return 0;
		}
	}
}

/* Attributes of one nesting level, by type; what is unknown is left out. */
#define ATTRS_MAX 32
struct attrs { const struct nlattr *by_type[ATTRS_MAX]; };

static void keep_attr(struct attrs *attrs, const struct nlattr *attr)
{
	if (mnl_attr_get_type(attr) < ATTRS_MAX)
		attrs->by_type[mnl_attr_get_type(attr)] = attr;
}

static struct attrs message_attrs(const struct nlmsghdr *head)
{
	struct attrs attrs = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each(attr, head, sizeof(struct nfgenmsg))
		keep_attr(&attrs, attr);
	return attrs;
}

static struct attrs nested_attrs(const struct nlattr *nest)
{
	struct attrs attrs = { 0 };
	const struct nlattr *attr;

	if (nest)
		mnl_attr_for_each_nested(attr, nest)
			keep_attr(&attrs, attr);
	return attrs;
}

static uint32_t get_u32(const struct attrs *attrs, int type)
{
	const struct nlattr *attr = attrs->by_type[type];

	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static uint64_t get_u64(const struct attrs *attrs, int type)
{
	const struct nlattr *attr = attrs->by_type[type];

	return attr && mnl_attr_validate(attr, MNL_TYPE_U64) >= 0 ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static const char *get_string(const struct attrs *attrs, int type)
{
	const struct nlattr *attr = attrs->by_type[type];

	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attr) : "";
}

static bool is_ours(const struct attrs *attrs, int table_type)
{
	return strcmp(get_string(attrs, table_type), NFT_TABLE_NAME) == 0;
}

struct dump {
	struct nft_ruleset *rs;
	enum nft_family family;
	const struct nft_devices *devices;
	/* of elements */
	enum nft_set_id set;
	const char *instance;   /* or "" */
	nft_elem_vec *elems;
	/* Elements come by device; the last answer is kept. */
	uint32_t device;
	char device_name[16];
};

static struct nft_table *dumped_table(struct dump *d)
{
	return &d->rs->tables[d->family];
}

/* Table. */

static void on_table(void *context, const struct nlmsghdr *head)
{
	struct dump *d = context;
	struct attrs attrs = message_attrs(head);
	const struct nlattr *udata = attrs.by_type[NFTA_TABLE_USERDATA];
	char want[64];
	int n = snprintf(want, sizeof(want), "%c%c" NFT_TABLE_COMMENT_PREFIX "%d", NFT_UDATA_COMMENT, 0,
			 NFT_LAYOUT);

	want[1] = (char)(n - 2 + 1);
	dumped_table(d)->exists = true;
	dumped_table(d)->is_foreign = !udata || mnl_attr_get_payload_len(udata) != n + 1 ||
				      memcmp(mnl_attr_get_payload(udata), want, (size_t)n + 1) != 0 ||
				      (nft_is_owned(d->devices, d->family) &&
				       get_u32(&attrs, NFTA_TABLE_FLAGS) != NFT_TABLE_OWNED);
}

/* Chains. */

static void on_base(struct dump *d, struct nft_chain *chain, const struct attrs *attrs)
{
	bool has_device = d->family == NFT_NETDEV;
	struct attrs hook = nested_attrs(attrs->by_type[NFTA_CHAIN_HOOK]);
	const char *type = get_string(attrs, NFTA_CHAIN_TYPE);
	const char *device = get_string(&hook, NFTA_HOOK_DEV);
	uint32_t number = get_u32(&hook, NFTA_HOOK_HOOKNUM);

	if (has_device && !device[0])
		return; /* its device is gone (Linux 6.12): it hangs nowhere */
	chain->base = (struct nft_base){
		.is_base = true,
		.is_nat = strcmp(type, "nat") == 0,
		.hook = has_device ? NFT_HOOK_EGRESS : (uint8_t)number,
		.priority = (int32_t)get_u32(&hook, NFTA_HOOK_PRIORITY),
	};
	if (chain->base.hook >= NFT_HOOKS || nft_kernel_hook(chain->base.hook) != number ||
	    (!chain->base.is_nat && strcmp(type, "filter") != 0) ||
	    get_u32(attrs, NFTA_CHAIN_POLICY) != (has_device ? NF_DROP : NF_ACCEPT) ||
	    (has_device && strcmp(device, chain->name) != 0))
		dumped_table(d)->is_foreign = true;
}

static void on_chain(void *context, const struct nlmsghdr *head)
{
	struct dump *d = context;
	struct attrs attrs = message_attrs(head);
	const char *name = get_string(&attrs, NFTA_CHAIN_NAME);
	struct nft_table *table = dumped_table(d);
	struct nft_chain *chain;

	if (!is_ours(&attrs, NFTA_CHAIN_TABLE))
		return;
	if (strlen(name) >= NFT_NAME_MAX) {
		table->is_foreign = true;
		return;
	}
	chain = nft_chain_add(d->rs, d->family, name);
	if (attrs.by_type[NFTA_CHAIN_HOOK])
		on_base(d, chain, &attrs);
}

/* Rules. */

static void read_rule_udata(struct nft_rule *rule, const uint8_t *p, size_t left)
{
	while (left >= 2 && left - 2 >= p[1]) {
		uint64_t fingerprint;

		if (p[0] == NFT_UDATA_COMMENT && p[1] > 0 && p[1] <= sizeof(rule->comment))
			memcpy(rule->comment, p + 2, p[1] - 1u);
		if (p[0] == NFT_UDATA_FINGERPRINT && p[1] == sizeof(fingerprint)) {
			memcpy(&fingerprint, p + 2, sizeof(fingerprint));
			rule->fingerprint = be64toh(fingerprint);
		}
		left -= 2u + p[1];
		p += 2 + p[1];
	}
}

static void on_rule(void *context, const struct nlmsghdr *head)
{
	struct dump *d = context;
	struct attrs attrs = message_attrs(head);
	const struct nlattr *udata = attrs.by_type[NFTA_RULE_USERDATA];
	struct nft_chain *chain;
	struct nft_rule *rule;

	if (!is_ours(&attrs, NFTA_RULE_TABLE))
		return;
	chain = nft_chain_find(d->rs, d->family, get_string(&attrs, NFTA_RULE_CHAIN));
	if (!chain)
		return; /* foreign by its chain's name, or made since: the generation tells */
	rule = vec_add(&chain->rules);
	if (udata)
		read_rule_udata(rule, mnl_attr_get_payload(udata), mnl_attr_get_payload_len(udata));
}

/* Sets. */

/* The definition, and of NFT_FILLED sets which one: "blue.1a2b3c4d" of "names4a.blue.1a2b3c4d". */
static int find_set(enum nft_family family, const char *name, const char **ret_instance)
{
	size_t len = strcspn(name, ".");

	*ret_instance = name[len] ? name + len + 1 : "";
	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family && strlen(nft_sets[i].name) == len &&
		    memcmp(nft_sets[i].name, name, len) == 0)
			return i;
	return -1;
}

/* A name that egress_instance() could have made, where there is to be one. */
static bool instance_is_valid(const struct nft_set_def *def, const char *instance)
{
	if (def->kind != NFT_FILLED)
		return !instance[0];
	return strchr(instance, '.') && strlen(instance) < NFT_INSTANCE_MAX;
}

/* What each element of a set does when it matches. */
static bool has_expr_of(const struct nft_set_def *def, const struct attrs *attrs)
{
	struct attrs expr = nested_attrs(attrs->by_type[NFTA_SET_EXPR]);
	const char *want = def->kind == NFT_COUNTED ? "counter" :
			   def->kind == NFT_LIMITED ? "limit" :
						      "";

	return strcmp(get_string(&expr, NFTA_EXPR_NAME), want) == 0;
}

static bool set_is_as_defined(const struct nft_set_def *def, const struct attrs *attrs)
{
	bool is_verdict = def->n_data && def->data[0] == NFT_T_VERDICT;
	uint32_t flags = get_u32(attrs, NFTA_SET_FLAGS) & SET_FLAGS_COMPARED;

	if (flags != (nft_kernel_set_flags(def) & SET_FLAGS_COMPARED) ||
	    get_u32(attrs, NFTA_SET_KEY_TYPE) != nft_kernel_type(def->key, def->n_key) ||
	    get_u32(attrs, NFTA_SET_KEY_LEN) != nft_kernel_size(def->key, def->n_key) ||
	    !has_expr_of(def, attrs))
		return false;
	if (!def->n_data)
		return true;
	if (is_verdict)
		return get_u32(attrs, NFTA_SET_DATA_TYPE) == NFT_DATA_VERDICT;
	return get_u32(attrs, NFTA_SET_DATA_TYPE) == nft_kernel_type(def->data, def->n_data) &&
	       get_u32(attrs, NFTA_SET_DATA_LEN) == nft_kernel_size(def->data, def->n_data);
}

static void on_set(void *context, const struct nlmsghdr *head)
{
	struct dump *d = context;
	struct attrs attrs = message_attrs(head);
	const char *instance;
	int id;

	if (!is_ours(&attrs, NFTA_SET_TABLE))
		return;
	id = find_set(d->family, get_string(&attrs, NFTA_SET_NAME), &instance);
	if (id < 0 || !instance_is_valid(&nft_sets[id], instance) ||
	    !set_is_as_defined(&nft_sets[id], &attrs))
		dumped_table(d)->is_foreign = true;
	else if (instance[0])
		nft_instance_add(d->rs, id, instance);
	else
		d->rs->sets[id].exists = true;
}

/* Elements. */

static void put_device_name(struct dump *d, uint32_t index, uint8_t *ret)
{
	if (index != d->device) {
		memset(d->device_name, 0, sizeof(d->device_name));
		if (!d->devices->name(d->devices->context, index, d->device_name))
			snprintf(d->device_name, sizeof(d->device_name), "#%u", index);
		d->device = index;
	}
	memcpy(ret, d->device_name, strnlen(d->device_name, sizeof(d->device_name)));
}

/* The reverse of to_kernel() in encode.c. */
static void from_kernel(struct dump *d, const uint8_t *types, unsigned n, const uint8_t *v, uint8_t *ret)
{
	for (unsigned i = 0; i < n; i++) {
		const struct nft_type_def *def = &nft_types[types[i]];
		uint32_t word;

		switch (types[i]) {
		case NFT_T_IFINDEX:
			memcpy(&word, v, sizeof(word));
			if (nft_sets[d->set].kind == NFT_INTERVALS)
				word = ntohl(word);
			put_device_name(d, word, ret);
			break;
		case NFT_T_FIB_TYPE:
			memcpy(&word, v, sizeof(word));
			*ret = (uint8_t)word;
			break;
		default: /* of a prefix the first address; read_prefix_len() has its length */
			memcpy(ret, v, def->kernel_size);
			break;
		}
		v += NFT_PAD(def->kernel_size);
		ret += def->size;
	}
}

static const void *get_value(const struct nlattr *nest, size_t size)
{
	struct attrs data = nested_attrs(nest);
	const struct nlattr *value = data.by_type[NFTA_DATA_VALUE];

	return value && mnl_attr_get_payload_len(value) == size ? mnl_attr_get_payload(value) : NULL;
}

static bool read_verdict(const struct nlattr *nest, struct nft_elem *elem)
{
	static const struct { int32_t kernel; enum nft_verdict ours; } codes[] = {
		{ NF_ACCEPT, NFT_V_ACCEPT }, { NF_DROP, NFT_V_DROP }, { NFT_RETURN, NFT_V_RETURN },
		{ NFT_JUMP, NFT_V_JUMP }, { NFT_GOTO, NFT_V_GOTO },
	};
	struct attrs data = nested_attrs(nest);
	struct attrs verdict = nested_attrs(data.by_type[NFTA_DATA_VERDICT]);
	int32_t code = (int32_t)get_u32(&verdict, NFTA_VERDICT_CODE);
	const char *chain = get_string(&verdict, NFTA_VERDICT_CHAIN);

	if (strlen(chain) >= NFT_NAME_MAX)
		return false;
	memcpy(elem->data + 1, chain, strlen(chain));
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].kernel != code)
			continue;
		elem->data[0] = (uint8_t)codes[i].ours;
		return true;
	}
	return false;
}

/* From the last address of an interval; false: it is no prefix. */
static bool read_prefix_len(const struct nft_set_def *def, const uint8_t *first,
			    const struct attrs *attrs, struct nft_elem *ret)
{
	const struct nft_type_def *last = &nft_types[def->key[def->n_key - 1]];
	size_t size = nft_kernel_size(def->key, def->n_key), at = size - last->kernel_size;
	const uint8_t *end = get_value(attrs->by_type[NFTA_SET_ELEM_KEY_END], size);
	unsigned len = 0, bits = last->kernel_size * 8u;

	if (!end)
		end = first;
	if (memcmp(first, end, at) != 0)
		return false;
	while (len < bits && !((first[at + len / 8] ^ end[at + len / 8]) & (0x80 >> len % 8)))
		len++;
	for (unsigned i = len; i < bits; i++)
		if (first[at + i / 8] & (0x80 >> i % 8) || !(end[at + i / 8] & (0x80 >> i % 8)))
			return false;
	ret->key[nft_set_key_size(def) - 1] = (uint8_t)len;
	return true;
}

/* Packets a second. */
static bool read_limit(const struct attrs *attrs, struct nft_elem *ret)
{
	struct attrs expr = nested_attrs(attrs->by_type[NFTA_SET_ELEM_EXPR]);
	struct attrs limit = nested_attrs(expr.by_type[NFTA_EXPR_DATA]);
	uint32_t values[2] = { (uint32_t)get_u64(&limit, NFTA_LIMIT_RATE),
			       get_u32(&limit, NFTA_LIMIT_BURST) };

	memcpy(ret->data, values, sizeof(values));
	return strcmp(get_string(&expr, NFTA_EXPR_NAME), "limit") == 0 &&
	       get_u64(&limit, NFTA_LIMIT_UNIT) == 1;
}

static bool read_elem(struct dump *d, const struct attrs *attrs, struct nft_elem *ret)
{
	const struct nft_set_def *def = &nft_sets[d->set];
	const void *value = get_value(attrs->by_type[NFTA_SET_ELEM_KEY],
				      nft_kernel_size(def->key, def->n_key));

	if (!value)
		return false;
	from_kernel(d, def->key, def->n_key, value, ret->key);
	if (def->kind == NFT_INTERVALS)
		return read_prefix_len(def, value, attrs, ret);
	if (def->kind == NFT_LIMITED)
		return read_limit(attrs, ret);
	if (!def->n_data)
		return true;
	if (def->data[0] == NFT_T_VERDICT)
		return read_verdict(attrs->by_type[NFTA_SET_ELEM_DATA], ret);
	value = get_value(attrs->by_type[NFTA_SET_ELEM_DATA], nft_kernel_size(def->data, def->n_data));
	if (value)
		from_kernel(d, def->data, def->n_data, value, ret->data);
	return value != NULL;
}

static void on_elems(void *context, const struct nlmsghdr *head)
{
	struct dump *d = context;
	struct attrs attrs = message_attrs(head);
	const struct nlattr *list = attrs.by_type[NFTA_SET_ELEM_LIST_ELEMENTS], *item;

	if (!list)
		return;
	mnl_attr_for_each_nested(item, list) {
		struct attrs elem_attrs = nested_attrs(item);
		struct nft_elem elem = { 0 };

		if (read_elem(d, &elem_attrs, &elem))
			vec_push(d->elems, elem);
		else if (d->rs)
			dumped_table(d)->is_foreign = true;
	}
}

static int dump_elems(struct mnl_socket *socket, struct dump *d)
{
	char name[NFT_SET_NAME_MAX];
	struct request r;

	request_init(&r, NFT_MSG_GETSETELEM, nft_sets[d->set].family, NLM_F_DUMP);
	mnl_attr_put_strz(r.head, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	mnl_attr_put_strz(r.head, NFTA_SET_ELEM_LIST_SET, nft_set_name(d->set, d->instance, name));
	return talk(socket, &r, on_elems, d);
}

int nft_dump_elems(struct mnl_socket *socket, enum nft_set_id set,
		   const struct nft_devices *devices, nft_elem_vec *ret)
{
	struct dump d = { .family = nft_sets[set].family, .devices = devices, .set = set,
			  .instance = "", .elems = ret };

	return dump_elems(socket, &d);
}

static int dump_set(struct mnl_socket *socket, struct dump *d, enum nft_set_id id)
{
	struct nft_set *set = &d->rs->sets[id];
	nft_elem_vec elems = { 0 };
	int r;

	d->set = id;
	d->instance = "";
	d->elems = &elems;
	r = dump_elems(socket, d);
	vec_sort(&elems, nft_elem_cmp_key);
	memcpy(&set->elems, &elems, sizeof(elems));
	return r;
}

static int dump_instance(struct mnl_socket *socket, struct dump *d, struct nft_instance *instance)
{
	nft_elem_vec elems = { 0 };
	int r;

	d->set = instance->set;
	d->instance = instance->of;
	d->elems = &elems;
	r = dump_elems(socket, d);
	vec_sort(&elems, nft_elem_cmp_key);
	memcpy(&instance->elems, &elems, sizeof(elems));
	return r;
}

/* The whole. */

static void on_generation(void *context, const struct nlmsghdr *head)
{
	struct attrs attrs = message_attrs(head);

	*(uint32_t *)context = get_u32(&attrs, NFTA_GEN_ID);
}

static int read_generation(struct mnl_socket *socket, uint32_t *ret)
{
	struct request r;

	request_init(&r, NFT_MSG_GETGEN, NFT_INET, 0);
	return talk(socket, &r, on_generation, ret);
}

static int dump_part(struct mnl_socket *socket, struct dump *d, uint16_t type, uint16_t flags,
		     uint16_t table_attr, reply_fn reply)
{
	struct request r;

	request_init(&r, type, d->family, flags);
	mnl_attr_put_strz(r.head, table_attr, NFT_TABLE_NAME);
	return talk(socket, &r, reply, d);
}

static void on_table_flags(void *context, const struct nlmsghdr *head)
{
	struct attrs attrs = message_attrs(head);

	*(uint32_t *)context = get_u32(&attrs, NFTA_TABLE_FLAGS);
}

uint32_t nft_table_flags(struct mnl_socket *socket, enum nft_family family)
{
	struct request r;
	uint32_t flags = 0;

	request_init(&r, NFT_MSG_GETTABLE, family, 0);
	mnl_attr_put_strz(r.head, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	talk(socket, &r, on_table_flags, &flags);
	return flags;
}

static int dump_table(struct mnl_socket *socket, struct dump *d)
{
	int r = dump_part(socket, d, NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, on_table);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = dump_part(socket, d, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFTA_CHAIN_TABLE, on_chain);
	if (r == 0)
		r = dump_part(socket, d, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, on_rule);
	if (r == 0)
		r = dump_part(socket, d, NFT_MSG_GETSET, NLM_F_DUMP, NFTA_SET_TABLE, on_set);
	for (int i = 0; r == 0 && i < NFT_SETS; i++)
		if (nft_sets[i].family == d->family && d->rs->sets[i].exists)
			r = dump_set(socket, d, i);
	for (size_t i = 0; r == 0 && i < d->rs->instances.n; i++)
		if (nft_sets[d->rs->instances.v[i].set].family == d->family)
			r = dump_instance(socket, d, &d->rs->instances.v[i]);
	return r;
}

/* -EINTR: it changed meanwhile. */
static int dump_once(struct mnl_socket *socket, const struct nft_devices *devices,
		     struct nft_ruleset *rs)
{
	uint32_t before = 0, after = 0;
	int r = read_generation(socket, &before);

	for (int f = 0; r == 0 && f < NFT_FAMILIES; f++) {
		struct dump d = { .rs = rs, .family = f, .devices = devices };

		r = dump_table(socket, &d);
	}
	if (r == -ENOENT) /* something that the previous request listed */
		return -EINTR;
	if (r == 0)
		r = read_generation(socket, &after);
	return r == 0 && before != after ? -EINTR : r;
}

int nft_netlink_dump(struct mnl_socket *socket, const struct nft_devices *devices,
		     struct nft_ruleset **ret, struct vnet_error *err)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_ATTEMPTS; i++) {
		nft_ruleset_free(rs);
		rs = nft_ruleset_new();
		r = dump_once(socket, devices, rs);
	}
	if (r == -EINTR)
		return vnet_error_set(err, -EAGAIN, "rules-busy",
				      "nftables: the rules changed during each of %d attempts to read them",
				      DUMP_ATTEMPTS);
	if (r < 0)
		return vnet_error_set(err, r, r == -EPERM ? "not-permitted" : "rules-unreadable",
				      "nftables: reading tables " NFT_TABLE_NAME ": %s", strerror(-r));
	*ret = NULL;
	if (nft_ruleset_has_tables(rs))
		*ret = TAKE(rs);
	return 0;
}

/* Counters: of drops, by port and reason. */

struct counters {
	struct dump dump;       /* for the names */
	nft_counter_vec *ret;
};

static void on_counters(void *context, const struct nlmsghdr *head)
{
	struct counters *c = context;
	struct attrs attrs = message_attrs(head);
	const struct nlattr *list = attrs.by_type[NFTA_SET_ELEM_LIST_ELEMENTS], *item;

	if (!list)
		return;
	mnl_attr_for_each_nested(item, list) {
		struct attrs elem = nested_attrs(item);
		struct attrs expr = nested_attrs(elem.by_type[NFTA_SET_ELEM_EXPR]);
		struct attrs counter = nested_attrs(expr.by_type[NFTA_EXPR_DATA]);
		const uint32_t *key = get_value(elem.by_type[NFTA_SET_ELEM_KEY], 8);
		struct nft_counter *out;

		if (!key)
			continue;
		out = vec_add(c->ret);
		out->index = key[0];
		out->reason = key[1];
		put_device_name(&c->dump, out->index, (uint8_t *)out->ifname);
		out->packets = get_u64(&counter, NFTA_COUNTER_PACKETS);
		out->bytes = get_u64(&counter, NFTA_COUNTER_BYTES);
	}
}

static void put_drops_key(struct nlmsghdr *head, uint32_t index, uint32_t reason)
{
	const uint32_t bytes[2] = { index, reason };
	struct nlattr *list = mnl_attr_nest_start(head, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *elem = mnl_attr_nest_start(head, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(head, NFTA_SET_ELEM_KEY);

	mnl_attr_put(head, NFTA_DATA_VALUE, sizeof(bytes), bytes);
	mnl_attr_nest_end(head, key);
	mnl_attr_nest_end(head, elem);
	mnl_attr_nest_end(head, list);
}

/* All elements, or with an index that of one reason. */
static int ask_drops(struct mnl_socket *socket, enum nft_family family, uint32_t index,
		     uint32_t reason, struct counters *c)
{
	enum nft_set_id set = nft_guard_set(family, NFT_SET_DROPS);
	struct request request;

	request_init(&request, NFT_MSG_GETSETELEM, family, index ? NLM_F_ACK : NLM_F_DUMP);
	mnl_attr_put_strz(request.head, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	mnl_attr_put_strz(request.head, NFTA_SET_ELEM_LIST_SET, nft_sets[set].name);
	if (index)
		put_drops_key(request.head, index, reason);
	return talk(socket, &request, on_counters, c);
}

/* Of every port. Counters don't change by being listed twice: an interrupted dump will do. */
static int read_all_drops(struct mnl_socket *socket, enum nft_family family, struct counters *c)
{
	size_t n_before = c->ret->n;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_ATTEMPTS; i++) {
		c->ret->n = n_before;
		r = ask_drops(socket, family, 0, 0, c);
	}
	return r == -ENOENT || r == -EINTR ? 0 : r;
}

/* One by one, so that one port's do not cost a look at all the others'. */
static int read_port_drops(struct mnl_socket *socket, enum nft_family family, uint32_t index,
			   struct counters *c)
{
	for (unsigned reason = 1; reason < GUARD_REASONS_END; reason++) {
		int r = guard_reason_name(reason) ? ask_drops(socket, family, index, reason, c) : 0;

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

int nft_netlink_counters(struct mnl_socket *socket, const char *ifname,
			 const struct nft_devices *devices, nft_counter_vec *ret,
			 struct vnet_error *err)
{
	static const enum nft_family families[] = { NFT_BRIDGE, NFT_NETDEV };
	uint32_t index = ifname ? nft_device_index(devices, ifname) : 0;
	struct counters c = { .dump.devices = devices, .ret = ret };
	int r = 0;

	if (ifname && !index)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = index ? read_port_drops(socket, families[i], index, &c) :
			    read_all_drops(socket, families[i], &c);
	if (r < 0)
		return vnet_error_set(err, r, r == -EPERM ? "not-permitted" : "rules-unreadable",
				      "nftables: reading the guard's counters: %s", strerror(-r));
	return 0;
}
