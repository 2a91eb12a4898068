// SPDX-License-Identifier: GPL-2.0
/* Take a snapshot from the best source there is */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#define INITIAL_PID_NS 4026531836	/* PROC_PID_INIT_INO */

static const struct {
	enum source source;
	int (*read)(struct snap *s);
	const char *path, *gaps;
} sources[] = {
	{ SRC_LIST, list_read, "/proc/dmabufs", NULL },
	{ SRC_BPF, bpf_read, "BPF iterator",
	  "the BPF iterator does not show closed buffers and allocators" },
	{ SRC_BUFINFO, bufinfo_read, "/sys/kernel/debug/dma_buf/bufinfo",
	  "bufinfo does not show closed buffers, allocators and modules" },
	{ SRC_SYSFS, sysfs_read, "/sys/kernel/dmabuf/buffers",
	  "the directories do not show allocators, names and references" },
};

void snap_counters(struct snap *s)
{
	static const char * const files[ST_N] = {
		"nr_buffers", "bytes", "peak_bytes", "nr_exported",
		"bytes_exported",
	};
	char path[64];
	int i;

	for (i = 0; i < ST_N; i++) {
		snprintf(path, sizeof(path), "sys/kernel/dmabuf/stats/%s",
			 files[i]);
		s->has_stat[i] = read_u64(path, &s->stat[i]);
	}
}

bool initial_pid_ns(void)
{
	const char *val = rec_value("initial_pid_ns");
	struct stat st;

	/* a kernel without namespaces has the directory, but no link */
	if (root_live)
		return stat("/proc/self/ns/pid", &st) ?
		       errno == ENOENT && !access("/proc/self/ns", F_OK) :
		       st.st_ino == INITIAL_PID_NS;
	return !val || strcmp(val, "0");
}

static void about(struct snap *s)
{
	char text[128];
	struct timespec ts;

	if (read_word("proc/sys/kernel/random/boot_id", text, sizeof(text)))
		s->boot_id = escape(text);
	if (root_live) {
		clock_gettime(CLOCK_BOOTTIME, &ts);
		s->boottime = ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
		s->has_boottime = true;
	} else if (read_word("proc/uptime", text, sizeof(text))) {
		text[strcspn(text, ".")] = 0;
		s->has_boottime = parse_u64(text, 10, &s->boottime) &&
				  s->boottime < UINT64_MAX / 1000;
		s->boottime *= 1000;
	}
	/* what lacks processes cannot tell which of them have ended */
	s->initial_ns = initial_pid_ns() && (root_live || any_process());
}

static bool pick(struct snap *s)
{
	char tried[512] = "";
	size_t i, len = 0;
	int err;

	for (i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		if (opt.source && opt.source != sources[i].source)
			continue;
		s->source = sources[i].source;
		err = sources[i].read(s);
		if (!err) {
			if (sources[i].gaps)
				snap_note(s, false, "%s", sources[i].gaps);
			return true;
		}
		len += snprintf(tried + len, sizeof(tried) - len, "%s%s: %s",
				len ? ", " : "", sources[i].path,
				err == -EPROTO ? "not understood" :
				err == -ENOTSUP ? "not built in" :
				strerror(-err));
	}
	s->source = SRC_NONE;
	if (opt.source && opt.source != SRC_FDINFO)
		die("%s", tried);
	s->source = SRC_FDINFO;
	s->merge = 0;
	snap_note(s, true, "shows only what readable processes hold%s%s%s",
		  len ? " (" : "", tried, len ? ")" : "");
	return false;
}

/*
 * A buffer that two listings have, one before the walk and one after it, and
 * that no process held meanwhile, is held by the kernel or on its way in a
 * message. bufinfo is read once unless asked for more: it stalls exports on
 * stock kernels.
 */
static void second(struct snap *s)
{
	size_t i;
	int err = -ENOENT;

	if (s->source == SRC_FDINFO || !s->walk_done || s->unseen)
		return;
	if (s->source == SRC_BUFINFO && !opt.twice) {
		snap_note(s, false, "bufinfo is read once; --twice tells which buffers no process holds");
		return;
	}
	s->second = true;
	for (i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (sources[i].source == s->source)
			err = sources[i].read(s);
	s->second = false;
	if (err)
		snap_note(s, true, "the second listing could not be read: %s",
			  strerror(-err));
	s->classified = !err && !s->incomplete;
}

void snap_take(struct snap *s, int want)
{
	enum source source;

	snap_clear(s);
	snap_counters(s);
	if ((want & WANT_TOTALS) && s->has_stat[ST_BUFFERS] &&
	    s->has_stat[ST_BYTES]) {
		about(s);
		return;
	}
	if (want & WANT_SUMS)
		s->merge = parse_keys(opt.by ?: G_DEFAULT);
	/* these depend on when a buffer was made, as a pid is used again */
	if (s->merge & (1 << G_CGROUP | 1 << G_USER))
		s->merge = 0;
	s->listed = pick(s) && !s->incomplete;
	if ((want & WANT_HOLDERS) || s->source == SRC_FDINFO)
		walk(s);
	if (want & WANT_HOLDERS)
		second(s);
	if (want & WANT_DEVICES) {
		source = s->source;
		s->devices_known = source == SRC_BUFINFO || !bufinfo_read(s);
		if (!s->devices_known)
			snap_note(s, false, "the devices are in bufinfo, which cannot be read");
	}
	snap_bytes(s);
	about(s);
}

char allocator_alive(struct snap *s, const struct buf *b)
{
	const struct task *t;

	if (!s->initial_ns || !(b->has & HAS_PID))
		return '?';
	t = task_of(b->pid, false);
	if (t->gone)
		return 'n';
	return !t->has_start || !(b->has & HAS_TIME) ? '?' :
	       t->start <= b->time ? 'y' : 'n';
}

const struct task *allocator_of(struct snap *s, const struct buf *b)
{
	return allocator_alive(s, b) == 'y' ? task_of(b->pid, true) : NULL;
}
