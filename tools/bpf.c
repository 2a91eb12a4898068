// SPDX-License-Identifier: GPL-2.0
/* The kernel's iterator over open DMA-BUFs, Linux 6.16 and later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf-stat.h"
#include "dmabuf_stat_bpf.h"

#ifdef HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dmabuf_stat.skel.h"

/* Loaded once: that costs more than it takes to read 1,000 rows */
static struct dmabuf_stat_bpf *skel;
static struct bpf_link *iterator;

static bool load(void)
{
	if (iterator)
		return true;
	libbpf_set_print(NULL);
	if (!skel)
		skel = dmabuf_stat_bpf__open_and_load();
	if (skel)
		iterator = bpf_program__attach_iter(skel->progs.rows, NULL);
	/* there is no such iterator */
	if (errno == ESRCH)
		errno = ENOENT;
	return iterator;
}

/* Rows, and at the end how many of them the kernel has seen */
char *bpf_rows(size_t *size)
{
	/* more than the kernel's buffer: a read ends where that is full */
	const size_t chunk = 256 << 10;
	struct dmabuf_end end = { 0 };
	unsigned int key = 0;
	char *data = NULL;
	ssize_t n;
	int fd, map, err;

	*size = 0;
	if (!root_live || sizeof(long) < 8) {
		/* the program takes the kernel's longs for 64 bits */
		errno = root_live ? ENOTSUP : ENOENT;
		return NULL;
	}
	if (!load())
		return NULL;
	map = bpf_map__fd(skel->maps.end);
	if (bpf_map_update_elem(map, &key, &end, BPF_ANY))
		return NULL;
	fd = bpf_iter_create(bpf_link__fd(iterator));
	if (fd < 0)
		return NULL;
	do {
		data = xrealloc(data, *size + chunk, 1);
		n = read(fd, data + *size, chunk);
		if (n > 0)
			*size += n;
	} while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n < 0 || bpf_map_lookup_elem(map, &key, &end)) {
		err = errno;
		free(data);
		close(fd);
		errno = err;
		return NULL;
	}
	close(fd);
	memcpy(data + *size, &end, sizeof(end));
	*size += sizeof(end);
	return data;
}
#else
char *bpf_rows(size_t *size)
{
	*size = 0;
	errno = ENOTSUP;
	return NULL;
}
#endif

static const char *text(const char *s, size_t size)
{
	char buf[DMABUF_EXPORTER + 1];

	size = strnlen(s, size);
	memcpy(buf, s, size);
	buf[size] = 0;
	return escape(buf);
}

static void add(struct snap *s, const struct dmabuf_row *row)
{
	struct buf b = { .ino = row->ino, .size = row->size, .refs = row->refs,
			 .attached = row->attached, .has = HAS_INO | HAS_SIZE };
	char octal[32];

	if (row->has_refs)
		b.has |= HAS_REFS;
	if (row->has_attached)
		b.has |= HAS_ATTACHED;
	snprintf(octal, sizeof(octal), "0%o", row->flags);
	b.flags = intern(octal);
	b.exporter = text(row->exporter, sizeof(row->exporter));
	b.module = text(row->module, sizeof(row->module));
	if (snap_wants(s, G_NAME))
		b.name = text(row->name, sizeof(row->name));
	snap_add(s, &b);
}

int bpf_read(struct snap *s)
{
	struct dmabuf_end end, got = { 0 };
	struct dmabuf_row row;
	size_t size = 0, at;
	char *data;

	if (root_live)
		data = bpf_rows(&size);
	else
		data = rec_slurp(rec_path(s, REC_BPF), &size);
	if (!data)
		return -errno;
	if (size < sizeof(end) || (size - sizeof(end)) % sizeof(row)) {
		snap_note(s, true, "BPF iterator: rows not understood");
		free(data);
		return -EPROTO;
	}
	for (at = 0; at + sizeof(row) < size; at += sizeof(row)) {
		memcpy(&row, data + at, sizeof(row));
		got.rows++;
		got.bytes += row.size;
	}
	memcpy(&end, data + at, sizeof(end));
	if (got.rows != end.rows || got.bytes != end.bytes) {
		/* what shows all is better */
		if (!opt.source && !faccessat(root_fd, BUFINFO, R_OK, 0)) {
			free(data);
			return -EMSGSIZE;
		}
		snap_note(s, true, "BPF iterator: cut short, as by Linux 6.16 to 6.18");
	}
	/* the newest comes first; the list has it last */
	while (at) {
		at -= sizeof(row);
		memcpy(&row, data + at, sizeof(row));
		add(s, &row);
	}
	free(data);
	return 0;
}
