// SPDX-License-Identifier: GPL-2.0
/* leaks and check: what only grows, and what nobody should still have */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

static const struct column columns[] = {
	{ "rule" }, { "subject" }, { "buffers" }, { "bytes" }, { "evidence" },
	{ "next" },
};

static struct table suspects = {
	columns, sizeof(columns) / sizeof(*columns)
};

/* One value over the samples: does it only grow? */
struct trend {
	uint64_t first, last;
	unsigned int ups;
	bool fell;
};

struct track {
	const char *subject;	/* group; NULL for a buffer */
	uint64_t ino, size, bytes, count;
	struct trend n, attached;
	bool seen;
};

static struct track *tracks;
static size_t ntracks;
static unsigned int samples;

static void suspect(const char *rule, const char *subject, uint64_t n,
		    uint64_t bytes, const char *evidence, const char *next)
{
	struct cell *c = table_row(&suspects);

	c[0] = c_str(rule);
	c[1] = c_str(subject);
	c[2] = c_num(n);
	c[3] = c_bytes(bytes);
	c[4] = c_str(evidence);
	c[5] = c_str(next);
}

static void trend(struct trend *t, uint64_t val)
{
	if (!samples)
		t->first = val;
	else if (val > t->last)
		t->ups++;
	else if (val < t->last)
		t->fell = true;
	t->last = val;
}

/* Half of the intervals must show it: noise grows, too, but not steadily */
static bool grows(const struct trend *t)
{
	return samples >= 3 && !t->fell && t->ups >= 2 &&
	       t->ups * 2 >= samples - 1;
}

static const char *group_of(const struct buf *b)
{
	char *text = xasprintf("exporter=%s comm=%s name=%s",
			       b->exporter ?: "?", b->comm ?: "?",
			       pattern(b->name) ?: "?");
	const char *group = intern(text);

	free(text);
	return group;
}

static int by_key(const void *a, const void *b)
{
	const struct track *x = a, *y = b;

	if (x->subject != y->subject)
		return x->subject < y->subject ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static struct track *track(const char *subject, uint64_t ino, size_t old)
{
	struct track want = { .subject = subject, .ino = ino }, *t = NULL;
	size_t i;

	if (old)
		t = bsearch(&want, tracks, old, sizeof(want), by_key);
	if (t)
		return t;
	/* few are new at a time, but for the first sample */
	for (i = old; subject && i < ntracks; i++)
		if (tracks[i].subject == subject)
			return &tracks[i];
	if (!(ntracks & (ntracks - 1)))
		tracks = xrealloc(tracks, ntracks ? ntracks * 2 : 1,
				  sizeof(*tracks));
	tracks[ntracks] = want;
	return &tracks[ntracks++];
}

static void sample(struct snap *s)
{
	size_t i, old = ntracks;
	struct track *t;

	for (i = 0; i < s->n; i++) {
		const struct buf *b = &s->bufs[i];

		t = track(group_of(b), 0, old);
		t->count++;
		t->bytes += b->size;
		if (!(b->has & HAS_INO))
			continue;
		t = track(NULL, b->ino, old);
		if (!t->seen && samples) {
			t->n.first = b->refs;
			t->n.last = b->refs;
			t->attached.first = b->attached;
			t->attached.last = b->attached;
		}
		t->seen = true;
		t->size = b->size;
		trend(&t->n, b->refs);
		trend(&t->attached, b->attached);
	}
	for (i = 0; i < ntracks; i++) {
		t = &tracks[i];
		if (!t->subject)
			continue;
		trend(&t->n, t->count);
		t->size = t->bytes;
		t->count = 0;
		t->bytes = 0;
	}
	if (ntracks)
		qsort(tracks, ntracks, sizeof(*tracks), by_key);
	samples++;
}

static void growth(struct snap *s)
{
	size_t i;

	for (i = 0; i < ntracks; i++) {
		struct track *t = &tracks[i];
		const char *what = NULL;
		const struct trend *v = &t->n;

		if (t->subject) {
			if (grows(v))
				suspect("group-grows", t->subject, v->last,
					t->size,
					xasprintf("%" PRIu64 " to %" PRIu64 " buffers in %u samples, never fewer",
						  v->first, v->last, samples),
					"dmabuf-stat processes");
			continue;
		}
		if (!snap_find(s, t->ino))
			continue;
		if (grows(v)) {
			what = "references";
		} else if (grows(&t->attached)) {
			v = &t->attached;
			what = "attachments";
		}
		if (what)
			suspect(*what == 'r' ? "refs-grow" : "attached-grow",
				xasprintf("ino=%" PRIu64, t->ino), 1, t->size,
				xasprintf("%" PRIu64 " to %" PRIu64 " %s in %u samples, never fewer",
					  v->first, v->last, what, samples),
				xasprintf("dmabuf-stat buffer %" PRIu64,
					  t->ino));
	}
}

/* Buffers of one kind and group are one finding */
static void collect(struct snap *s, const char *rule, const char *evidence,
		    bool (*test)(struct snap *s, const struct buf *b))
{
	struct {
		const char *group;
		uint64_t n, bytes, ino;
	} *found = NULL;
	size_t n = 0, i, j;

	for (i = 0; i < s->n; i++) {
		const struct buf *b = &s->bufs[i];
		const char *group;

		if (!test(s, b))
			continue;
		group = group_of(b);
		for (j = 0; j < n && found[j].group != group; j++)
			;
		if (j == n) {
			found = xrealloc(found, n + 1, sizeof(*found));
			found[n].group = group;
			found[n].n = 0;
			found[n].bytes = 0;
			found[n++].ino = b->ino;
		}
		found[j].n++;
		found[j].bytes += b->size;
	}
	for (j = 0; j < n; j++)
		suspect(rule, found[j].group, found[j].n, found[j].bytes,
			evidence, xasprintf("dmabuf-stat buffer %" PRIu64,
					    found[j].ino));
	free(found);
}

static bool closed(struct snap *s, const struct buf *b)
{
	/* without the second listing it may just be on its way out */
	return (b->has & HAS_REFS) && !b->refs &&
	       (b->paths || (s->classified && b->again));
}

static bool kernel(struct snap *s, const struct buf *b)
{
	return s->classified && b->again && !b->holders &&
	       !((b->has & HAS_REFS) && !b->refs);
}

static bool gone(struct snap *s, const struct buf *b)
{
	return allocator_alive(s, b) == 'n';
}

static uint64_t base_ino;

static bool is_new(struct snap *s, const struct buf *b)
{
	(void)s;
	return (b->has & HAS_INO) && b->ino > base_ino;
}

static void save_baseline(struct snap *s)
{
	uint64_t top = 0;
	FILE *f;
	size_t i;
	char *tmp = xasprintf("%s.tmp", opt.save);

	for (i = 0; i < s->n; i++)
		if ((s->bufs[i].has & HAS_INO) && s->bufs[i].ino > top)
			top = s->bufs[i].ino;
	if (!s->listed)
		die("no baseline from an incomplete listing");
	f = fopen(tmp, "w");
	if (!f || fprintf(f, "dmabuf-stat-baseline 1\nboot_id %s\nino %" PRIu64 "\n",
			  s->boot_id ?: "-", top) < 0 || fclose(f) ||
	    rename(tmp, opt.save))
		die("%s: %s", opt.save, strerror(errno));
	free(tmp);
}

/* Numbers ascend and are never reused, so the highest one is enough */
static void load_baseline(struct snap *s)
{
	char boot[128];
	FILE *f = fopen(opt.baseline, "r");
	unsigned long long ino;

	if (!f)
		die("%s: %m", opt.baseline);
	if (fscanf(f, "dmabuf-stat-baseline 1\nboot_id %127s\nino %llu",
		   boot, &ino) != 2)
		die("%s: not a baseline; make one with leaks --save-baseline",
		    opt.baseline);
	fclose(f);
	if (strcmp(boot, s->boot_id ?: "-"))
		die("%s: is of another boot", opt.baseline);
	base_ino = ino;
}

int cmd_leaks(struct snap *s)
{
	uint64_t wait = 0, n = 1, i;
	int found;

	table_check(&suspects);
	if (opt.for_ms) {
		n = opt.for_ms / 1000 + 1;
		n = n < 5 ? 5 : n > 60 ? 60 : n;
		wait = opt.for_ms / (n - 1);
	}
	for (i = 1; i < n; i++) {
		struct timespec ts = { wait / 1000, wait % 1000 * 1000000 };

		snap_take(s, 0);
		sample(s);
		nanosleep(&ts, NULL);
	}
	snap_take(s, WANT_HOLDERS);
	if (opt.for_ms)
		sample(s);
	if (opt.save)
		save_baseline(s);

	growth(s);
	collect(s, "closed", "no reference is left, but it is not freed",
		closed);
	collect(s, "kernel-only", "in two listings, and no process has it",
		kernel);
	collect(s, "allocator-gone", "the process that allocated it has ended",
		gone);
	if (opt.baseline) {
		load_baseline(s);
		collect(s, "new", "exported since the baseline, still there",
			is_new);
	}

	found = suspects.n > 0;
	if (opt.json)
		json_head(s, "leaks");
	if (opt.json || found)
		table_print(&suspects, NULL, opt.rows);
	if (opt.json)
		json_tail();
	return found ? EXIT_SUSPECTS : EXIT_OK;
}

static int limit(const char *what, bool has, uint64_t max, bool known,
		 uint64_t val, bool *unknown)
{
	if (!has)
		return 0;
	if (opt.json) {
		json_key(what);
		if (known)
			json_u64(val);
		else
			json_null();
	}
	if (!known) {
		*unknown = true;
		return 0;
	}
	if (val <= max)
		return 0;
	if (!opt.json)
		fprintf(out, "%s: %" PRIu64 " is above %" PRIu64 "\n", what,
			val, max);
	return EXIT_THRESHOLD;
}

int cmd_check(struct snap *s)
{
	struct timespec ts = { 1, 0 };
	uint64_t before = 0, bytes, buffers, grown = 0;
	bool known = true, has_bytes, has_buffers, unknown = false;
	int status = 0;

	if (opt.has_max_growth) {
		snap_take(s, WANT_TOTALS);
		known = snap_total(s, ST_BYTES, &before);
		nanosleep(&ts, NULL);
	}
	snap_take(s, WANT_TOTALS);
	has_bytes = snap_total(s, ST_BYTES, &bytes);
	has_buffers = snap_total(s, ST_BUFFERS, &buffers);
	if (has_bytes && bytes > before)
		grown = bytes - before;

	if (opt.json)
		json_head(s, "check");
	status |= limit("bytes", opt.has_max_bytes, opt.max_bytes, has_bytes,
			bytes, &unknown);
	status |= limit("buffers", opt.has_max_buffers, opt.max_buffers,
			has_buffers, buffers, &unknown);
	status |= limit("growth", opt.has_max_growth, opt.max_growth,
			known && has_bytes, grown, &unknown);
	if (opt.json) {
		json_key("ok");
		if (unknown && !status)
			json_null();
		else
			json_bool(!status);
		json_tail();
	}
	if (unknown)
		snap_note(s, true, "a value to check is not known");
	return status;
}
