/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_check_wire.c - what a network's uplink and its links want of the host */

#include "plan/plan_check.h"
#include "plan/planner.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>

#define MTU_IPV6_MIN 1280 /* RFC 8200 */

static int fail(const struct check *c, const char *path, int number)
{
	network_locate(c->net, path, c->err);
	return number;
}

static int uplink_error(const struct check *c, int number, const char *reason)
{
	vnet_error_set(c->err, number, "bad-uplink", "uplink %s %s", c->net->uplink, reason);
	return fail(c, "uplink", number);
}

/* A bridge that another of these networks makes, if it is not there yet. */
static bool will_be_there(const struct check *c, const char *name)
{
	for (size_t i = 0; i < c->n_others; i++) {
		char bridge[16];

		if (network_owns_bridge(c->others[i]) &&
		    strcmp(network_bridge(c->others[i], bridge), name) == 0)
			return true;
	}
	return false;
}

static const struct link *master_of(const struct check *c, const struct link *link)
{
	return link->master ? snapshot_link_by_index(c->snap, link->master) : NULL;
}

static const char *name_of(const struct link *link)
{
	return link ? link->name : "another device";
}

/* A station has one address on the air (IEEE 802.11), and Linux refuses more. */
static int check_wireless(const struct check *c, const struct link *nic)
{
	if (!nic->is_wireless)
		return 0;
	return uplink_error(c, -EOPNOTSUPP,
			    "is wireless, and its access point takes frames of its own address only; "
			    "use mode: nat or routed instead");
}

/* Takeover. */

static int check_taken(const struct check *c, const struct link *nic, const char *bridge)
{
	const struct link *master = master_of(c, nic);
	char reason[128];

	if (strcmp(nic->kind, "bridge") == 0)
		return uplink_error(c, -EINVAL, "is a bridge itself; give it as bridge.name, "
				    "without uplink");
	if (link_is_ours(nic))
		return uplink_error(c, -EINVAL, "is a guest's port");
	if (!nic->master || (master && (link_is_ours(master) || strcmp(master->name, bridge) == 0)))
		return check_wireless(c, nic);
	snprintf(reason, sizeof(reason), "belongs to %s already; take it out first",
		 name_of(master));
	return uplink_error(c, -EBUSY, reason);
}

/* VLANs. */

/* The id and the protocol of the tag that the uplink sees. */
static struct vlan_state outer_tag(const struct network *net)
{
	struct vlan_state tag = { (uint16_t)net->vlan.id,
				  vlan_protocol_ethertype(net->vlan.protocol) };

	if (net->vlan.service)
		tag = (struct vlan_state){ (uint16_t)net->vlan.service, ETH_P_8021AD };
	return tag;
}

static bool carries(const struct snapshot *snap, int ifindex, unsigned id)
{
	vec_each(vlan, &snap->vlans)
		if (vlan->ifindex == ifindex && vlan->first <= id && id <= vlan->last)
			return true;
	return false;
}

/* Linux gives a VLAN's frames to the VLAN device before the bridge that the NIC is in sees them. */
static int check_vlan_master(const struct check *c, const struct link *nic)
{
	const struct link *master = master_of(c, nic);
	struct vlan_state tag = outer_tag(c->net);
	char reason[128];

	if (!nic->master)
		return 0;
	if (!master || strcmp(master->kind, "bridge") != 0) {
		snprintf(reason, sizeof(reason), "belongs to %s; name that as the uplink",
			 name_of(master));
		return uplink_error(c, -EBUSY, reason);
	}
	if (!master->bridge.vlan_filtering || master->bridge.vlan_protocol != tag.protocol ||
	    !carries(c->snap, nic->ifindex, tag.id))
		return 0;
	vnet_error_set(c->err, -EBUSY, "vlan-conflict",
		       "VLAN %u of %s belongs to the VLAN-aware bridge %s, which %s is in; take it "
		       "out there, or choose another id", tag.id, nic->name, master->name, nic->name);
	return fail(c, "vlan", -EBUSY);
}

static int check_vlan_twin(const struct check *c, const struct link *nic)
{
	struct vlan_state tag = outer_tag(c->net);

	vec_each(link, &c->snap->links) {
		if (strcmp(link->kind, "vlan") != 0 || link_is_ours(link) ||
		    link->parent != nic->ifindex || link->vlan.id != tag.id ||
		    link->vlan.protocol != tag.protocol)
			continue;
		vnet_error_set(c->err, -EEXIST, "vlan-conflict",
			       "VLAN %u of %s is device %s already, which is not ours; remove that, "
			       "or choose another id", tag.id, nic->name, link->name);
		return fail(c, "vlan", -EEXIST);
	}
	return 0;
}

static int check_vlan_uplink(const struct check *c, const struct link *nic)
{
	bool is_bridge = strcmp(nic->kind, "bridge") == 0;
	int rc;

	if (link_is_ours(nic) && !is_bridge)
		return uplink_error(c, -EINVAL, "is a device of ours; name the interface that it "
				    "stands on, or a bridge");
	if (link_is_ours(nic) && nic->bridge.vlan_filtering)
		return uplink_error(c, -EINVAL, "is a VLAN-aware bridge, whose VLANs are for its "
				    "ports; attach guests there with vlan");
	if ((rc = check_wireless(c, nic)) || (rc = check_vlan_master(c, nic)))
		return rc;
	return check_vlan_twin(c, nic);
}

/* Macvtap and SR-IOV. */

static int check_macvtap_uplink(const struct check *c, const struct link *nic)
{
	const struct link *master = master_of(c, nic);
	char reason[128];

	if (!nic->master || (master && link_is_ours(master)))
		return check_wireless(c, nic);
	snprintf(reason, sizeof(reason), "belongs to %s already, which takes all its frames",
		 name_of(master));
	return uplink_error(c, -EBUSY, reason);
}

static int check_companion(const struct check *c, const char *companion)
{
	const struct link *link = snapshot_link(c->snap, companion);

	if (!c->net->macvtap.companion || !link || link_is_ours(link))
		return 0;
	vnet_error_set(c->err, -EEXIST, "device-exists",
		       "a device named %s exists already and is not ours; remove it, or give the "
		       "network another name", companion);
	return fail(c, "macvtap.companion", -EEXIST);
}

static unsigned count_vfs(const struct snapshot *snap, int ifindex)
{
	unsigned n = 0;

	vec_each(vf, &snap->vfs)
		n += vf->ifindex == ifindex;
	return n;
}

static int check_vfs(const struct check *c, const struct link *nic)
{
	const struct sriov_config *sriov = &c->net->sriov;
	unsigned n = count_vfs(c->snap, nic->ifindex);
	char reason[160];

	if (!n) {
		snprintf(reason, sizeof(reason),
			 "has no virtual functions; make some, as in: echo 8 > "
			 "/sys/class/net/%s/device/sriov_numvfs", nic->name);
		return uplink_error(c, -ENODEV, reason);
	}
	if (!sriov->has_vfs || sriov->last_vf < n)
		return 0;
	vnet_error_set(c->err, -ERANGE, "no-such-vf",
		       "%s has %u virtual functions, 0 to %u; name some of these", nic->name, n,
		       n - 1);
	return fail(c, "sriov.vfs", -ERANGE);
}

int plan_check_uplink(const struct check *c, const char *bridge)
{
	const struct network *net = c->net;
	const struct link *nic;
	int rc;

	if (!net->uplink)
		return 0;
	nic = snapshot_link(c->snap, net->uplink);
	if (!nic && !network_takes_uplink(net) && net->mode != NETWORK_SRIOV &&
	    will_be_there(c, net->uplink))
		return 0;
	if (!nic)
		return uplink_error(c, -ENODEV, "does not exist on this host");
	if (nic->flags & IFF_LOOPBACK)
		return uplink_error(c, -EINVAL, "is the loopback device");
	if (network_takes_uplink(net))
		return check_taken(c, nic, bridge);
	if (net->mode == NETWORK_SRIOV)
		return check_vfs(c, nic);
	if (network_has_bridge(net))
		return net->vlan.id ? check_vlan_uplink(c, nic) : 0;
	rc = check_macvtap_uplink(c, nic);
	return rc ? rc : check_companion(c, bridge);
}

/* Links. */

static int link_error(const struct check *c, const struct network_link *link, const char *key,
		      int number)
{
	char path[48];

	snprintf(path, sizeof(path), "links[%zu]%s", (size_t)(link - c->net->links.v), key);
	return fail(c, path, number);
}

static int check_local(const struct check *c, const struct network_link *link)
{
	char text[ADDR_TEXT_MAX];

	vec_each(addr, &c->snap->addrs)
		if (ip_cmp(&addr->prefix.addr, &link->local) == 0)
			return 0;
	vnet_error_set(c->err, -EADDRNOTAVAIL, "no-local-address",
		       "%s is no address of this host; give one that the other hosts know it by",
		       ip_format(&link->local, text));
	return link_error(c, link, ".local", -EADDRNOTAVAIL);
}

static int check_device(const struct check *c, const struct network_link *link)
{
	if (!link->device || snapshot_link(c->snap, link->device) ||
	    will_be_there(c, link->device))
		return 0;
	vnet_error_set(c->err, -ENODEV, "no-device", "device %s does not exist on this host",
		       link->device);
	return link_error(c, link, ".device", -ENODEV);
}

/* What a frame to the peer may carry; UINT32_MAX where nobody knows. */
static uint32_t mtu_to(const struct check *c, const struct network_link *link,
		       const struct ip *peer, const char **ret_underlay)
{
	uint32_t mtu, route_mtu = 0, overhead = network_link_overhead(link);
	const struct link *underlay = link->device ?
		snapshot_link(c->snap, link->device) :
		plan_underlay(c->snap, link, peer, &route_mtu);

	if (!underlay)
		return UINT32_MAX;
	mtu = route_mtu && route_mtu < underlay->mtu ? route_mtu : underlay->mtu;
	*ret_underlay = underlay->name;
	return mtu > overhead ? mtu - overhead : 0;
}

/* Of all peers the one that leaves least. */
static uint32_t link_mtu(const struct check *c, const struct network_link *link,
			 const char **ret_underlay)
{
	uint32_t least = UINT32_MAX;

	if (link->device || !link->peers.n)
		return mtu_to(c, link, NULL, ret_underlay);
	vec_each(peer, &link->peers) {
		const char *underlay = NULL;
		uint32_t mtu = mtu_to(c, link, peer, &underlay);

		if (mtu < least) {
			least = mtu;
			*ret_underlay = underlay;
		}
	}
	return least;
}

/* Linux holds a VXLAN device that is bound to another to what fits that, fragments or not. */
static bool may_fragment(const struct network_link *link)
{
	return !link->pmtudisc && !(link->kind == LINK_VXLAN && link->device);
}

static int check_link_mtu(const struct check *c, const struct network_link *link)
{
	const char *underlay = NULL;
	uint32_t mtu = link_mtu(c, link, &underlay);

	if (c->net->bridge.mtu > mtu && !may_fragment(link)) {
		vnet_error_set(c->err, -EMSGSIZE, "mtu-too-large",
			       "link %s can carry an MTU of %u over %s; leave bridge.mtu out, or "
			       "give no more%s", link->name, mtu, underlay,
			       link->local.family == AF_INET && link->pmtudisc &&
				       !(link->kind == LINK_VXLAN && link->device) ?
			       ", or let outer packets be fragmented with pmtudisc: false" : "");
		return fail(c, "bridge.mtu", -EMSGSIZE);
	}
	if (mtu >= MTU_IPV6_MIN || !network_has_family(c->net, AF_INET6) || may_fragment(link))
		return 0;
	vnet_error_set(c->err, -EMSGSIZE, "mtu-too-small",
		       "link %s can carry an MTU of %u over %s, and IPv6 needs %d (RFC 8200); raise "
		       "the MTU of %s, or leave IPv6 addresses out", link->name, mtu, underlay,
		       MTU_IPV6_MIN, underlay);
	return link_error(c, link, "", -EMSGSIZE);
}

int plan_check_links(const struct check *c)
{
	int rc = 0;

	vec_each(link, &c->net->links) {
		if (rc || (rc = check_local(c, link)) || (rc = check_device(c, link)) ||
		    (rc = check_link_mtu(c, link)))
			break;
	}
	return rc;
}
