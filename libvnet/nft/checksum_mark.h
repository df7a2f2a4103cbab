/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_CHECKSUM_MARK_H
#define VNET_NFT_CHECKSUM_MARK_H

/*
 * checksum_mark.h - how kernel/checksum.bpf.c tells the rules which frames to refuse
 *
 * The mark of a frame whose checksum would be written over what the rules read
 * ("vnck" in ASCII).  Alone in its file: the program is compiled for the kernel,
 * with nothing of vnet's around it.
 */
#define NFT_CHECKSUM_MARK 0x766e636b

#endif
