// SPDX-License-Identifier: GPL-2.0
/* A row of what the BPF iterator can know of each open dma-buf */

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define DMA_BUF_NAME_LEN	32

/* Only the members that are read; libbpf finds out where they are */
#define KERNEL	__attribute__((preserve_access_index))

struct inode {
	unsigned long i_ino;
} KERNEL;

struct file {
	unsigned int f_flags;
	struct inode *f_inode;
} KERNEL;

struct dma_buf {
	unsigned long size;
	struct file *file;
	const char *exp_name;
	const char *name;
} KERNEL;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL;

struct bpf_iter__dmabuf {
	struct bpf_iter_meta *meta;
	struct dma_buf *dmabuf;
} KERNEL;

char _license[] SEC("license") = "GPL";

SEC("iter/dmabuf")
int rows(struct bpf_iter__dmabuf *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct dma_buf *dmabuf = ctx->dmabuf;
	char name[DMA_BUF_NAME_LEN] = {};
	/* Not in a section: for its map libbpf wants a kernel with sockets */
	char format[] = "%lu %lu %x %s %s\n";
	unsigned long size, ino;
	unsigned long long args[5];
	const char *exporter;
	unsigned int flags;

	if (!dmabuf)
		return 0;

	ino = BPF_CORE_READ(dmabuf, file, f_inode, i_ino);
	flags = BPF_CORE_READ(dmabuf, file, f_flags);
	size = BPF_CORE_READ(dmabuf, size);
	exporter = BPF_CORE_READ(dmabuf, exp_name);
	bpf_probe_read_kernel_str(name, sizeof(name),
				  BPF_CORE_READ(dmabuf, name));

	args[0] = ino;
	args[1] = size;
	args[2] = flags;
	args[3] = (unsigned long)exporter;
	args[4] = (unsigned long)name;
	bpf_seq_printf(seq, format, sizeof(format), args, sizeof(args));
	return 0;
}
