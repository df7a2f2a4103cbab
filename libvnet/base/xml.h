/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_BASE_XML_H
#define VNET_BASE_XML_H

/* xml.h - text as XML has it: in an element, or in an attribute between single quotes */

#include "base/strbuf.h"

void xml_append(struct strbuf *b, const char *text);

#endif
