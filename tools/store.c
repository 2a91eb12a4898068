// SPDX-License-Identifier: GPL-2.0
/* One snapshot: buffers by inode number, and what is to be said about it */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf-stat.h"

const char *source_name(enum source src)
{
	static const char * const names[] = {
		[SRC_LIST] = "list", [SRC_BPF] = "bpf", [SRC_BUFINFO] = "bufinfo",
		[SRC_SYSFS] = "sysfs", [SRC_FDINFO] = "fdinfo",
	};

	return names[src];
}

static bool same(const struct snap *s, const struct buf *a, const struct buf *b)
{
	if (!s->merge)
		return a->ino == b->ino;
	return a->exporter == b->exporter && a->module == b->module &&
	       a->name == b->name && a->comm == b->comm && a->pid == b->pid &&
	       ((a->has ^ b->has) & HAS_PID) == 0;
}

static size_t slot(struct snap *s, const struct buf *b)
{
	const uint64_t factor = 0x9e3779b97f4a7c15ull;
	uint64_t hash = b->ino;
	size_t i;

	if (s->merge) {
		hash = (hash ^ (uintptr_t)b->exporter) * factor;
		hash = (hash ^ (uintptr_t)b->module) * factor;
		hash = (hash ^ (uintptr_t)b->name) * factor;
		hash = (hash ^ (uintptr_t)b->comm) * factor;
		hash ^= b->pid;
	}
	i = (hash * factor) >> 20;
	for (i &= s->index_size - 1; s->index[i];
	     i = (i + 1) & (s->index_size - 1))
		if (same(s, &s->bufs[s->index[i] - 1], b))
			break;
	return i;
}

struct buf *snap_find(struct snap *s, uint64_t ino)
{
	struct buf b = { .ino = ino };
	size_t i;

	if (!s->index_size || s->merge)
		return NULL;
	i = slot(s, &b);
	return s->index[i] ? &s->bufs[s->index[i] - 1] : NULL;
}

static void grow(struct snap *s)
{
	size_t room = s->room ? s->room * 2 : 64, i;

	/* large tables grow slowly, so that little is unused */
	if (room > 4096)
		room = s->room + s->room / 8;
	s->bufs = xrealloc(s->bufs, room, sizeof(*s->bufs));
	s->room = room;
	if (room * 4 <= s->index_size * 3)
		return;
	free(s->index);
	s->index = NULL;
	s->index_size = s->index_size ? s->index_size * 2 : 128;
	s->index = xrealloc(NULL, s->index_size, sizeof(*s->index));
	memset(s->index, 0, s->index_size * sizeof(*s->index));
	for (i = 0; i < s->n; i++)
		if (s->merge || (s->bufs[i].has & HAS_INO))
			s->index[slot(s, &s->bufs[i])] = i + 1;
}

/* A text that is no key need not be stored */
bool snap_wants(const struct snap *s, int key)
{
	return !s->merge || (s->merge & (1 << key));
}

/* Only the sums are wanted: what is no key is forgotten */
static void merge(struct snap *s, const struct buf *b)
{
	struct buf new = { .n = 1, .size = b->size, .has = b->has & HAS_SIZE };
	struct buf *old;
	size_t i;

	if (snap_wants(s, G_EXPORTER))
		new.exporter = b->exporter;
	if (snap_wants(s, G_MODULE))
		new.module = b->module;
	if (snap_wants(s, G_NAME))
		new.name = opt.name_pattern ? pattern(b->name) : b->name;
	if (snap_wants(s, G_COMM))
		new.comm = b->comm;
	if (snap_wants(s, G_PID) && (b->has & HAS_PID)) {
		new.pid = b->pid;
		new.has |= HAS_PID;
	}

	if (s->n == s->room)
		grow(s);
	i = slot(s, &new);
	if (!s->index[i]) {
		s->bufs[s->n++] = new;
		s->index[i] = s->n;
		return;
	}
	old = &s->bufs[s->index[i] - 1];
	old->n++;
	if (!(new.has & HAS_SIZE) ||
	    __builtin_add_overflow(old->size, new.size, &old->size))
		old->has &= ~HAS_SIZE;
}

/* In the second listing only what was in the first one matters */
void snap_add(struct snap *s, const struct buf *b)
{
	struct buf *old = b->has & HAS_INO ? snap_find(s, b->ino) : NULL;

	if (s->second) {
		if (old) {
			old->again = true;
			old->released = (b->has & HAS_REFS) && !b->refs;
		}
		return;
	}
	if (old) {
		snap_note(s, true, "inode %llu is listed twice",
			  (unsigned long long)b->ino);
		return;
	}
	s->nr++;
	if ((b->has & HAS_REFS) && !b->refs) {
		s->closed++;
		s->closed_bytes += b->size;
	}
	if (s->merge) {
		merge(s, b);
		return;
	}
	if (s->n == s->room)
		grow(s);
	s->bufs[s->n] = *b;
	s->bufs[s->n++].n = 1;
	if (b->has & HAS_INO)
		s->index[slot(s, b)] = s->n;
}

void snap_clear(struct snap *s)
{
	uint64_t ino = s->detail_ino;

	tasks_forget();
	forget_strings();
	free(s->bufs);
	free(s->index);
	free(s->procs);
	free(s->holds);
	free(s->details);
	free(s->devices);
	free(s->notes);
	memset(s, 0, sizeof(*s));
	s->detail_ino = ino;
}

/* Each is said once, on stderr as well as in the output */
void snap_note(struct snap *s, bool incomplete, const char *fmt, ...)
{
	const char *note;
	va_list ap;
	char *text;
	size_t i;

	s->incomplete |= incomplete;
	/* a file full of faults is not worth a line for each of them */
	if (s->nnotes > 20)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	note = intern(text);
	free(text);

	for (i = 0; i < s->nnotes; i++)
		if (s->notes[i] == note)
			return;
	s->notes = xrealloc(s->notes, s->nnotes + 1, sizeof(*s->notes));
	s->notes[s->nnotes++] = note;
}

uint64_t snap_bytes(struct snap *s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (!(s->bufs[i].has & HAS_SIZE))
			snap_note(s, true,
				  "the size of some buffers is not known");
		else if (__builtin_add_overflow(sum, s->bufs[i].size, &sum))
			snap_note(s, true,
				  "the sum of the sizes does not fit in 64 bits");
	}
	return sum;
}

bool snap_total(struct snap *s, int which, uint64_t *val)
{
	*val = s->stat[which];
	if (s->has_stat[which])
		return true;
	if (!s->listed)
		return false;
	if (which == ST_BUFFERS)
		*val = s->nr;
	else if (which == ST_BYTES)
		*val = snap_bytes(s);
	else
		return false;
	return true;
}
