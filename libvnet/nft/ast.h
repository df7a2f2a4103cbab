/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_AST_H
#define VNET_NFT_AST_H

/*
 * ast.h - the inside of struct nft_ruleset and struct nft_txn
 *
 * Private to nft/.  The language is the part of nft(8) that our rules use: a
 * closed list of sets (nft_sets[]), packet fields (nft_fields[]) and
 * expressions.  Three readers walk it: text.c prints it, encode.c lowers it to
 * the kernel's registers, diff.c compares it.
 *
 * Keys and data of elements are the bytes of their parts one after the other,
 * without padding, addresses and ports in network order, devices as 16-byte
 * names: what memcmp() sorts, and what no kernel is needed to write.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "nft/ruleset.h"

#include <stdint.h>

/* In the table's comment.  Another number there: the table is replaced whole. */
#define NFT_LAYOUT 3
#define NFT_TABLE_COMMENT_PREFIX "managed by vnet netd, layout "

#define NFT_NAME_MAX 32         /* chains: "from/" + a network's name; with the NUL */
#define NFT_COMMENT_MAX 96      /* nft takes 128 */
#define NFT_INSTANCE_MAX EGRESS_INSTANCE_MAX /* a network's name and a number */
#define NFT_SET_NAME_MAX EGRESS_SET_MAX
#define NFT_KEY_MAX 40          /* a device's name, a MAC, an IPv6 address */
#define NFT_DATA_MAX 33         /* a verdict's code and chain */

enum nft_family { NFT_BRIDGE, NFT_INET, NFT_NETDEV, NFT_FAMILIES };

enum nft_type {
	NFT_T_IFINDEX, NFT_T_IFNAME, NFT_T_ETHER, NFT_T_IP4, NFT_T_IP6, NFT_T_PROTO, NFT_T_PORT,
	NFT_T_ICMP6_TYPE, NFT_T_FIB_TYPE, NFT_T_FIB_PRESENT, NFT_T_NFPROTO, NFT_T_CT_STATE, NFT_T_CT_STATUS,
	NFT_T_CT_DIRECTION, NFT_T_VERDICT, NFT_T_ETHER_TYPE, NFT_T_VNI, NFT_T_MARK, NFT_T_PKTTYPE,
	NFT_T_ARP_HEADER,
	/* An address and its length, a byte: from the first to the last address in the kernel. */
	NFT_T_PREFIX4, NFT_T_PREFIX6,
	/* In no set: bytes as nft prints what it has no type for, and a few numbers. */
	NFT_T_BYTES8, NFT_T_BYTES3, NFT_T_BYTES2, NFT_T_BYTE, NFT_T_BITS16, NFT_T_FRAG_OFF, NFT_T_ARPHRD, NFT_T_DEVGROUP,
	NFT_T_ICMP_TYPE, NFT_T_TCP_FLAGS,
};

struct nft_type_def {
	const char *name;       /* nft's; NULL: it has none, sets say `typeof` and a field */
	uint8_t size;           /* of ours */
	uint8_t kernel_size;    /* before padding to 4 */
	uint8_t number;         /* nft's enum datatypes, kept by the kernel for nft */
};
extern const struct nft_type_def nft_types[];

/* Sets and maps.  In the order in which they are printed and sent. */
enum nft_set_id {
	/* bridge */
	NFT_MAP_GUARDS, NFT_SET_MEMBERS, NFT_SET_PORT_NO_HOST, NFT_SET_BRIDGE_MACS,
	NFT_SET_VLAN_PORTS, NFT_SET_TRUNK, NFT_MAP_TRACED_GUARDS,
	/* the guard's: first those of bridge, then the same of netdev; see nft_guard_set() */
#define NFT_GUARD_SETS(SET) \
	SET(MACS), SET(SOURCES4), SET(SOURCES6), SET(PREFIXES4), SET(PREFIXES6), \
	SET(ETHERTYPES), SET(WAIVED), SET(DROPS), SET(TRACED), SET(TAGS), SET(DHCP_PORTS), \
	SET(TUNNELS), SET(ND_TYPES), SET(ROUTER_TYPES), SET(MLD_TYPES), SET(EXTENSIONS), SET(LEARNERS)
#define BRIDGE_SET(name) NFT_SET_##name
#define NETDEV_SET(name) NFT_SET_NETDEV_##name
	NFT_GUARD_SETS(BRIDGE_SET),
	/* bridge alone: nothing tells broadcasts from the rest where macvtap devices send */
	NFT_SET_BROADCASTS, NFT_SET_MULTICASTS,
	/* security groups; the maps are as many as a port may have groups */
	NFT_SET_GROUPED, NFT_SET_LOGGED, NFT_SET_DHCP_PAIRS, NFT_MAP_ZONES,
	NFT_SET_MEMBERS4, NFT_SET_MEMBERS6, NFT_SET_ROUTED4, NFT_SET_ROUTED6,
	NFT_MAP_INGRESS, NFT_MAP_INGRESS_LAST = NFT_MAP_INGRESS + PORT_GROUPS_MAX - 1,
	NFT_MAP_EGRESS, NFT_MAP_EGRESS_LAST = NFT_MAP_EGRESS + PORT_GROUPS_MAX - 1,
	NFT_GUARD_SETS(NETDEV_SET),
#undef BRIDGE_SET
#undef NETDEV_SET
	/* inet */
	NFT_SET_PORT_DEVICES, NFT_SET_BRIDGES, NFT_SET_CHECKED, NFT_SET_INSIDE, NFT_SET_EXITS, NFT_SET_NO_HOST, NFT_SET_SERVICES,
	NFT_SET_ADDRESSED, NFT_SET_REPLIES, NFT_SET_ND_IN, NFT_SET_ND_OUT,
	NFT_SET_VXLAN_PORTS, NFT_SET_VXLAN_IDS, NFT_SET_VXLAN_PEERS4, NFT_SET_VXLAN_PEERS6,
	/* Of `egress:`.  Names: see egress.h; a and b are the generations, each there once a network. */
	NFT_SET_EGRESS4, NFT_SET_EGRESS6, NFT_SET_OTHERS, NFT_SET_EGRESS_NAMES,
	NFT_SET_NAMES4A, NFT_SET_NAMES4B, NFT_SET_NAMES6A, NFT_SET_NAMES6B,
	NFT_MAP_FROM, NFT_MAP_TO, NFT_MAP_NAT,
	NFT_MAP_FORWARDS4, NFT_MAP_FORWARDS4_ANY, NFT_MAP_FORWARDS6, NFT_MAP_FORWARDS6_ANY,
	NFT_SETS
};

struct nft_set_def {
	const char *name;
	enum nft_family family;
	uint8_t n_key, key[3];  /* enum nft_type */
	uint8_t n_data, data[2]; /* maps; NFT_T_VERDICT alone for verdict maps */
	enum {
		NFT_PLAIN,
		NFT_DEVICES,    /* by device alone, of declared size: the kernel looks it up faster */
		NFT_COUNTED,    /* rules add elements, each counts; we only take them away */
		NFT_LIMITED,    /* a lookup matches so many times a second: data is rate and burst */
		NFT_INTERVALS,  /* the last part of the key is a prefix */
		NFT_NOTES,      /* no rule reads them: what diff.c must know of what was wanted before */
		NFT_FILLED,     /* several, struct nft_instance; others add elements, which time out */
	} kind;
};
extern const struct nft_set_def nft_sets[NFT_SETS];
#define NFT_DEVICES_MAX 24576   /* elements of a NFT_DEVICES set: netd's ports and half as many again */
#define NFT_COUNTED_MAX 65535   /* elements of a NFT_COUNTED set */
#define NFT_FILLED_MAX 16384
#define NFT_FILLED_TIMEOUT EGRESS_HOLD_ALONE /* s */
/* Of a NFT_LIMITED set: of elements that somebody else adds, without a limit of their own. */
#define NFT_LIMITED_RATE 1
#define NFT_LIMITED_BURST 5
/* A set of the guard in table bridge, or its twin in table netdev. */
static inline enum nft_set_id nft_guard_set(enum nft_family family, enum nft_set_id id)
{
	return family == NFT_NETDEV ? id + (NFT_SET_NETDEV_MACS - NFT_SET_MACS) : id;
}
/* How many elements it declares to have at most; 0: it does not. */
static inline uint32_t nft_set_max(const struct nft_set_def *def)
{
	return def->kind == NFT_DEVICES ? NFT_DEVICES_MAX :
	       def->kind == NFT_COUNTED ? NFT_COUNTED_MAX :
	       def->kind == NFT_FILLED	? NFT_FILLED_MAX :
					  0;
}
/* "names4a.blue.1a2b3c4d", or without an instance the definition's own; returns buf. */
const char *nft_set_name(enum nft_set_id set, const char *instance, char buf[NFT_SET_NAME_MAX]);
size_t nft_set_key_size(const struct nft_set_def *def);
/* Some part of the key has no name as a type. */
bool nft_set_is_typeof(const struct nft_set_def *def);
size_t nft_set_data_size(const struct nft_set_def *def);

enum nft_verdict { NFT_V_ACCEPT, NFT_V_DROP, NFT_V_RETURN, NFT_V_JUMP, NFT_V_GOTO };

struct nft_elem {
	uint8_t key[NFT_KEY_MAX];
	uint8_t data[NFT_DATA_MAX]; /* a verdict is its code and, NUL-padded, its chain */
};
int nft_elem_cmp_key(const void *a, const void *b);
bool nft_elem_equal(const struct nft_elem *a, const struct nft_elem *b);

struct nft_set {
	bool exists;
	VEC(struct nft_elem) elems; /* sorted by key, unique */
};

/* One of the sets that share a NFT_FILLED definition. */
struct nft_instance {
	enum nft_set_id set;
	char of[NFT_INSTANCE_MAX];
	VEC(struct nft_elem) elems; /* in a dump; sorted */
};

/* What of a packet an expression reads. */
enum nft_field {
	NFT_F_IIF, NFT_F_OIF, NFT_F_IIFGROUP, NFT_F_OIFGROUP, NFT_F_IIFNAME, NFT_F_OIFNAME, NFT_F_NFPROTO, NFT_F_L4PROTO,
	NFT_F_ETHER_DADDR, NFT_F_ETHER_SADDR, NFT_F_IP_SADDR, NFT_F_IP_DADDR, NFT_F_IP6_SADDR,
	NFT_F_IP6_DADDR, NFT_F_SPORT, NFT_F_DPORT, NFT_F_ICMP6_TYPE, NFT_F_CT_STATE,
	NFT_F_CT_STATUS, NFT_F_CT_DIRECTION, NFT_F_FIB_SADDR, NFT_F_FIB_DADDR, NFT_F_FIB_DADDR_IIF,
	NFT_F_FIB_SADDR_IIF_OIF,
	NFT_F_ROUTED_ETHER_DADDR, /* in table inet, where nft wants to know first that it is Ethernet */
	NFT_F_ETHER_TYPE,       /* of the outermost tag where there is one */
	NFT_F_INNER_TYPE,       /* what follows that tag */
	NFT_F_VNI,              /* VXLAN's (RFC 7348), and the byte behind it, which is 0 */
	NFT_F_IIFTYPE,          /* where that is known, nft reads Ethernet headers by name */
	NFT_F_PROTOCOL,         /* the ethertype of what is within all tags that the kernel took off */
	NFT_F_PKTTYPE, NFT_F_MARK,
	NFT_F_ARP_HEADER,       /* 8 bytes: of which kind, and the operation */
	NFT_F_RARP_HEADER,      /* the same place, which nft cannot name there */
	NFT_F_ARP_SADDR_ETHER, NFT_F_ARP_SADDR_IP, NFT_F_ARP_DADDR_IP,
	NFT_F_RARP_SADDR_ETHER, NFT_F_RARP_DADDR_ETHER,
	NFT_F_IP_FRAGMENT,      /* flags and offset, 16 bits */
	NFT_F_IP6_FRAGMENT,     /* the offset in the first fragment header */
	NFT_F_IP6_FRAGMENTED,   /* and the type of the header behind it */
	NFT_F_IP6_LENGTH, NFT_F_IP6_NEXTHDR, NFT_F_IP6_HOPLIMIT,
	NFT_F_DHCP_HEADER,      /* operation, type and length of hardware addresses */
	NFT_F_DHCP_CHADDR,
	NFT_F_ND_TARGET,
	/* Options: type and length of one, and its link-layer address. */
	NFT_F_RS_OPTION, NFT_F_RS_LLADDR, NFT_F_ND_OPTION, NFT_F_ND_LLADDR, NFT_F_ND_OPTION2,
	NFT_F_ICMP_TYPE, NFT_F_TCP_FLAGS,
	NFT_F_IBRNAME,          /* of the bridge that the frame came in by */
	NFT_FIELDS
};
struct nft_field_def {
	const char *text;
	enum nft_type type;
};
extern const struct nft_field_def nft_fields[NFT_FIELDS];
/* The field that a part of this type is read from in sets that say `typeof`. */
enum nft_field nft_type_field(enum nft_type type);

enum nft_expr_kind {
	NFT_E_MATCH,    /* field & mask == value, or != */
	NFT_E_LESS,     /* field < value */
	NFT_E_FLAGS,    /* one of the bits is set */
	NFT_E_LOOKUP,   /* fields in set, or not */
	NFT_E_VMAP,     /* verdict from map */
	NFT_E_DNAT,     /* address and port from map */
	NFT_E_VERDICT,
	NFT_E_COUNTER,
	NFT_E_LOG,
	NFT_E_LIMIT,
	NFT_E_REJECT,   /* icmpx admin-prohibited */
	NFT_E_MASQUERADE,
	NFT_E_SNAT,
	NFT_E_SET_MARK,
	NFT_E_TRACE,    /* the kernel tells of every rule that the packet meets from here on */
	NFT_E_COUNT,    /* adds fields to a NFT_COUNTED set, or counts there */
	NFT_E_RANGE,    /* field in nat.ports, both ends included */
	NFT_E_LABEL,    /* netd has put NFT_CUT_LABEL on the connection */
	NFT_E_SET_LABEL,
	NFT_E_SET_ZONE, /* of connections that are still to be looked for; the number is in mark */
};

struct nft_expr {
	enum nft_expr_kind kind;
	bool negate;            /* MATCH, LOOKUP */
	uint8_t n_fields;
	uint8_t fields[3];      /* enum nft_field */
	enum nft_set_id set;    /* LOOKUP, VMAP, DNAT, COUNT */
	char instance[NFT_INSTANCE_MAX]; /* LOOKUP: which one of NFT_FILLED sets */
	union {
		struct {
			uint8_t value[16];
			uint8_t mask[16];
			bool is_masked;
			uint8_t prefix_len; /* of addresses when masked */
		} match;
		uint32_t flags;
		uint32_t mark;
		struct { enum nft_verdict code; char chain[NFT_NAME_MAX]; } verdict;
		struct { uint16_t group, snaplen; char prefix[16]; } log;
		struct { uint32_t rate, burst; } limit; /* packets per second */
		struct { struct ip_range to; struct port_range ports; } nat; /* either may be absent */
	};
};

bool nft_expr_uses_set(const struct nft_expr *e);

/* Kernel values, without its headers in the pure part. */
#define NFT_PKTTYPE_BROADCAST 1
#define NFT_PKTTYPE_MULTICAST 2
#define NFT_CT_INVALID 1u
#define NFT_CT_ESTABLISHED 2u
#define NFT_CT_NEW 8u
#define NFT_CT_RELATED 4u
#define NFT_CT_UNTRACKED 64u
#define NFT_CT_DNAT 0x20u       /* IPS_DST_NAT */
#define NFT_CT_REPLY 1          /* IP_CT_DIR_REPLY */
#define NFT_TCP_FIN 1
#define NFT_TCP_SYN 2
#define NFT_TCP_RST 4
#define NFT_TCP_ACK 16
#define NFT_RTN_LOCAL 2
#define NFT_RTN_BROADCAST 3
#define NFT_RTN_MULTICAST 5

struct nft_rule {
	VEC(struct nft_expr) exprs; /* empty in a dump: there only the fingerprint counts */
	char comment[NFT_COMMENT_MAX];
	uint64_t fingerprint;   /* of text and comment; 0: not one of ours */
};
/* To be called when exprs and comment are complete. */
void nft_rule_seal(struct nft_rule *rule);
void nft_rule_copy(struct nft_rule *to, const struct nft_rule *from);
void nft_rule_free(struct nft_rule *rule);

/* NF_INET_* and NF_BR_* have the same numbers; the last one is family netdev's. */
enum nft_hook {
	NFT_HOOK_PREROUTING, NFT_HOOK_INPUT, NFT_HOOK_FORWARD, NFT_HOOK_OUTPUT, NFT_HOOK_POSTROUTING,
	NFT_HOOK_EGRESS,
	NFT_HOOKS
};
extern const char *const nft_hook_names[NFT_HOOKS];

/*
 * Where a base chain hangs.  Its policy is accept; in family netdev it hangs on
 * the device that it is named after, with policy drop.
 */
struct nft_base {
	bool is_base, is_nat;
	uint8_t hook;           /* enum nft_hook */
	int32_t priority;
};

struct nft_chain {
	char name[NFT_NAME_MAX];
	struct nft_base base;
	VEC(struct nft_rule) rules;
};

struct nft_table {
	bool exists;
	/* In a dump: another layout, or something in it that we never write. */
	bool is_foreign;
	VEC(struct nft_chain) chains; /* sorted by name */
};
extern const char *const nft_family_names[NFT_FAMILIES];

struct nft_ruleset {
	struct nft_table tables[NFT_FAMILIES];
	struct nft_set sets[NFT_SETS];
	VEC(struct nft_instance) instances; /* sorted; see nft_instance_find() */
};
struct nft_instance *nft_instance_find(const struct nft_ruleset *rs, enum nft_set_id set, const char *of);
/* The instance, created where it belongs. */
struct nft_instance *nft_instance_add(struct nft_ruleset *rs, enum nft_set_id set, const char *of);
void nft_instance_remove(struct nft_ruleset *rs, struct nft_instance *instance);
/* What the expression looks up exists. */
bool nft_expr_has_set(const struct nft_ruleset *rs, const struct nft_expr *e);
bool nft_ruleset_has_tables(const struct nft_ruleset *rs);
struct nft_chain *nft_chain_find(const struct nft_ruleset *rs, enum nft_family family, const char *name);
/* The chain, created where its name belongs. */
struct nft_chain *nft_chain_add(struct nft_ruleset *rs, enum nft_family family, const char *name);
void nft_chain_free(struct nft_chain *chain);
void nft_chain_copy(struct nft_chain *to, const struct nft_chain *from);
void nft_table_clear(struct nft_ruleset *rs, enum nft_family family);

enum nft_op_kind {
	NFT_OP_ADD_TABLE, NFT_OP_DEL_TABLE,
	NFT_OP_ADD_CHAIN, NFT_OP_DEL_CHAIN, NFT_OP_FLUSH_CHAIN,
	NFT_OP_ADD_RULE,
	NFT_OP_ADD_SET, NFT_OP_DEL_SET, NFT_OP_FLUSH_SET,
	NFT_OP_ADD_ELEMS, NFT_OP_DEL_ELEMS,
};

struct nft_op {
	enum nft_op_kind kind;
	enum nft_family family;
	enum nft_set_id set;
	char instance[NFT_INSTANCE_MAX]; /* of a NFT_FILLED set */
	size_t first, n;        /* elements: txn->elems[first..first + n) */
	char chain[NFT_NAME_MAX];
	struct nft_base base;   /* ADD_CHAIN */
	struct nft_rule rule;   /* ADD_RULE; owned */
};

struct nft_txn {
	VEC(struct nft_op) ops;
	VEC(struct nft_elem) elems;
};
struct nft_op *nft_txn_add(struct nft_txn *txn, enum nft_op_kind kind, enum nft_family family);
/* Appends to the last operation when that does the same to the same set. */
void nft_txn_add_elem(struct nft_txn *txn, enum nft_op_kind kind, enum nft_set_id set,
		      const struct nft_elem *elem);
/* The same operation with its elements. */
void nft_txn_copy_op(struct nft_txn *txn, const struct nft_txn *from, const struct nft_op *op);

/* The elements of a port: in table bridge, of a macvtap port in table netdev. Appended. */
struct nft_port_elem { enum nft_set_id set; struct nft_elem elem; };
typedef VEC(struct nft_port_elem) nft_port_elem_vec;
void nft_port_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret);

/*
 * What a macvtap port has beside elements: its chain in table netdev.
 * False: it is none; ret is empty then, or to be freed.
 */
bool nft_port_chain(const struct network *net, const struct port *port, struct nft_chain *ret);

/* compile_guard.c: the chains that every port shares, in table bridge or netdev. */
void nft_compile_guard(struct nft_ruleset *rs, enum nft_family family, bool has_trunks);
/*
 * compile_trace.c: where frames of traced ports pass first, in table bridge.  is_used: somebody
 * traces; without, the one rule is not there that makes the kernel look at every packet.
 */
void nft_compile_tracing(struct nft_ruleset *rs, bool is_used);
/* In a chain that refuses: shows frames by (iif) or to (oif) a port that is traced. */
void nft_compile_sample(struct nft_ruleset *rs, enum nft_family family, const char *chain,
			enum nft_field device);
/* That rule's chain alone. */
void nft_compile_trace_chain(struct nft_ruleset *rs, bool is_used);
#define NFT_CHAIN_TRACED "guard/traced"
/* Which of them judges the port's frames; NULL: none does. */
const char *nft_guard_chain(const struct network *net, const struct port *port);
/* The port's part of what they look up. */
void nft_guard_elems(const struct network *net, const struct port *port, nft_port_elem_vec *ret);

/* compile_inet.c, compile_egress.c, compile_vxlan.c: a network's part of table inet. */
void nft_compile_egress(struct nft_ruleset *rs, const struct network *net, const char *bridge,
			const struct nft_expr *next);
void nft_compile_inet(struct nft_ruleset *rs, const struct network *net);
void nft_compile_vxlan(struct nft_ruleset *rs, const struct network *net);

/* text.c: pieces in nft(8) syntax. */
struct strbuf;
void nft_text_elem(struct strbuf *b, enum nft_set_id set, const struct nft_elem *elem);
void nft_text_rule(struct strbuf *b, const struct nft_rule *rule);
/* "element vp3 . 52:54:00:00:00:01 of set macs", "chain from/blue": what an operation is about. */
char *nft_op_object(const struct nft_txn *txn, const struct nft_op *op);

#endif
