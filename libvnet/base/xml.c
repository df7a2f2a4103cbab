/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml.c - see xml.h. */

#include "base/xml.h"

void xml_append(struct strbuf *b, const char *text)
{
	for (; *text; text++) {
		const char *entity = *text == '&'  ? "&amp;" :
				     *text == '<'  ? "&lt;" :
				     *text == '>'  ? "&gt;" :
				     *text == '\'' ? "&apos;" :
						     NULL;

		if (entity)
			strbuf_append(b, entity);
		else
			strbuf_append_n(b, text, 1);
	}
}
