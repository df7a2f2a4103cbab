/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_frame.c - a guest's frames in words
 *
 * The first byte: without a link layer, if it is odd.  What comes out goes to a
 * terminal: it must be plain text, whatever the guest sends.
 */

#include "trace/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct frame_head frame = { 0 };

	if (!size)
		return 0;
	frame.link_size = data[0] & 1 ? 0 : 14;
	frame_put(&frame, data + 1, size - 1);
	frame_text(&frame, &text);
	frame_key(&frame);
	if (!text.len || text.len > 512)
		abort();
	for (size_t i = 0; i < text.len; i++)
		if (text.s[i] < ' ' || text.s[i] > '~')
			abort();
	return 0;
}
