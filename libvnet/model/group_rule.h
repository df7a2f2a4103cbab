/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_GROUP_RULE_H
#define VNET_MODEL_GROUP_RULE_H

/* group_rule.h - the lists of rules in a group's definition, and lists of groups, for tables */

#include "model/schema.h"

extern const struct schema_type type_ingress_rules; /* struct group_rules: any, or a list */
extern const struct schema_type type_egress_rules;
extern const struct schema_type type_group_names; /* group_name_vec */

#endif
