/* SPDX-License-Identifier: GPL-2.0 */
/* What the BPF program gives to dmabuf-stat, and a recording has */
#ifndef DMABUF_STAT_BPF_H
#define DMABUF_STAT_BPF_H

#define DMABUF_EXPORTER		64
#define DMABUF_MODULE		56
#define DMABUF_NAME		32
#define DMABUF_ATTACHMENTS	100000

struct dmabuf_row {
	unsigned long long ino, size, refs, attached;
	unsigned int flags;
	unsigned char has_refs, has_attached, pad[2];
	char exporter[DMABUF_EXPORTER];
	char module[DMABUF_MODULE];
	char name[DMABUF_NAME];
};

/* The rows that there were, whether or not they have arrived */
struct dmabuf_end {
	unsigned long long rows, bytes;
};

#endif
