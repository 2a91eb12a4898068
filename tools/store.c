// SPDX-License-Identifier: GPL-2.0
/* One snapshot: buffers by inode number, and what is to be said about it */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf-stat.h"

const char *source_name(enum source src)
{
	static const char * const names[] = {
		[SRC_LIST] = "list", [SRC_BUFINFO] = "bufinfo",
		[SRC_SYSFS] = "sysfs", [SRC_FDINFO] = "fdinfo",
	};

	return names[src];
}

static size_t slot(struct snap *s, uint64_t ino)
{
	size_t i = (ino * 0x9e3779b97f4a7c15ull) >> 20;

	for (i &= s->index_size - 1; s->index[i];
	     i = (i + 1) & (s->index_size - 1))
		if (s->bufs[s->index[i] - 1].ino == ino)
			break;
	return i;
}

struct buf *snap_find(struct snap *s, uint64_t ino)
{
	size_t i;

	if (!s->index_size)
		return NULL;
	i = slot(s, ino);
	return s->index[i] ? &s->bufs[s->index[i] - 1] : NULL;
}

static void grow(struct snap *s)
{
	size_t i;

	s->room = s->room ? s->room * 2 : 64;
	s->bufs = xrealloc(s->bufs, s->room, sizeof(*s->bufs));
	s->index_size = s->room * 2;
	free(s->index);
	s->index = calloc(s->index_size, sizeof(*s->index));
	if (!s->index)
		die("out of memory");
	for (i = 0; i < s->n; i++)
		if (s->bufs[i].has & HAS_INO)
			s->index[slot(s, s->bufs[i].ino)] = i + 1;
}

/* In the second listing only what was in the first one matters */
void snap_add(struct snap *s, const struct buf *b)
{
	struct buf *old = b->has & HAS_INO ? snap_find(s, b->ino) : NULL;

	if (s->second) {
		if (old)
			old->again = true;
		return;
	}
	if (old) {
		snap_note(s, true, "inode %llu is listed twice",
			  (unsigned long long)b->ino);
		return;
	}
	if (s->n == s->room)
		grow(s);
	s->bufs[s->n++] = *b;
	if (b->has & HAS_INO)
		s->index[slot(s, b->ino)] = s->n;
}

void snap_clear(struct snap *s)
{
	uint64_t ino = s->detail_ino;

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

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	note = intern(text);
	free(text);

	s->incomplete |= incomplete;
	for (i = 0; i < s->nnotes; i++)
		if (s->notes[i] == note)
			return;
	/* a file full of faults is not worth a line for each of them */
	if (s->nnotes > 20)
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
		*val = s->n;
	else if (which == ST_BYTES)
		*val = snap_bytes(s);
	else
		return false;
	return true;
}
