// SPDX-License-Identifier: GPL-2.0
/* leaks and check: what only grows, and what should be freed by now */
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

/* A buffer, or a group of them */
struct track {
	char *subject;		/* of a group, else NULL */
	uint64_t ino, bytes;
	/* buffers in a group, or references and attachments of one */
	struct trend n, attached;
	/* what is normal in a desktop, unless there is ever more of it */
	struct trend kernel, gone;
	uint64_t nr, nr_attached, nr_kernel, nr_gone;
};

static struct track *tracks;	/* groups by name, then buffers by number */
static size_t ntracks;
static unsigned int samples;
static bool classified;		/* in each sample */

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

static void trend(struct trend *t, uint64_t val, bool first)
{
	if (first)
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
	return internf("exporter=%s comm=%s name=%s", b->exporter ?: "?",
		       b->comm ?: "?", pattern(b->name) ?: "?");
}

static int by_key(const void *a, const void *b)
{
	const struct track *x = a, *y = b;

	if (x->subject && y->subject)
		return strcmp(x->subject, y->subject);
	if (x->subject || y->subject)
		return x->subject ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static bool closed(struct snap *s, const struct buf *b)
{
	/* without the second listing it may just be on its way out */
	return (b->has & HAS_REFS) && !b->refs &&
	       (b->paths || (s->classified && b->again));
}

static bool kernel(struct snap *s, const struct buf *b)
{
	return s->classified && b->again && !b->released &&
	       !b->holders && !closed(s, b);
}

static bool gone(struct snap *s, const struct buf *b)
{
	return allocator_alive(s, b) == 'n';
}

/* What there is now, in the order of the tracks */
static struct track *current(struct snap *s, size_t *n)
{
	struct track *now = xrealloc(NULL, s->n * 2, sizeof(*now)), *t;
	size_t i, j = 0;

	*n = 0;
	for (i = 0; i < s->n; i++) {
		const struct buf *b = &s->bufs[i];

		now[(*n)++] = (struct track){
			.subject = (char *)group_of(b), .bytes = b->size,
			.nr = 1, .nr_kernel = kernel(s, b),
			.nr_gone = gone(s, b),
		};
	}
	if (*n)
		qsort(now, *n, sizeof(*now), by_key);
	for (i = 0; i < *n; i++) {
		t = &now[i];
		if (j && now[j - 1].subject == t->subject) {
			now[j - 1].nr++;
			now[j - 1].bytes += t->bytes;
			now[j - 1].nr_kernel += t->nr_kernel;
			now[j - 1].nr_gone += t->nr_gone;
		} else {
			now[j++] = *t;
		}
	}
	*n = j;
	for (i = 0; i < s->n; i++)
		if (s->bufs[i].has & HAS_INO)
			now[(*n)++] = (struct track){
				.ino = s->bufs[i].ino,
				.bytes = s->bufs[i].size,
				.nr = s->bufs[i].refs,
				.nr_attached = s->bufs[i].attached,
			};
	if (*n > j)
		qsort(now + j, *n - j, sizeof(*now), by_key);
	return now;
}

/* A group may come back, a buffer does not */
static void sample(struct snap *s)
{
	size_t n, i = 0, j = 0, k = 0;
	struct track *now = current(s, &n), *new, *t;

	new = xrealloc(NULL, n + ntracks, sizeof(*new));
	while (i < n || j < ntracks) {
		int r = i == n ? 1 : j == ntracks ? -1 :
			by_key(&now[i], &tracks[j]);
		bool first = false;

		t = &new[k];
		if (r < 0) {
			*t = now[i++];
			/* a group that was not there had no buffers */
			first = !samples || !t->subject;
			if (t->subject)
				t->subject = xasprintf("%s", t->subject);
		} else if (r > 0) {
			*t = tracks[j++];
			if (!t->subject)
				continue;
			t->nr = 0;
			t->bytes = 0;
			t->nr_kernel = 0;
			t->nr_gone = 0;
		} else {
			*t = tracks[j++];
			t->nr = now[i].nr;
			t->bytes = now[i].bytes;
			t->nr_attached = now[i].nr_attached;
			t->nr_kernel = now[i].nr_kernel;
			t->nr_gone = now[i++].nr_gone;
		}
		trend(&t->n, t->nr, first);
		trend(&t->attached, t->nr_attached, first);
		trend(&t->kernel, t->nr_kernel, first);
		trend(&t->gone, t->nr_gone, first);
		k++;
	}
	free(now);
	free(tracks);
	tracks = new;
	ntracks = k;
	classified = (!samples || classified) && s->classified;
	samples++;
}

static void grown(const char *rule, const struct track *t,
		  const struct trend *v, const char *what, const char *who,
		  const char *next)
{
	suspect(rule, t->subject ?: internf("ino=%" PRIu64, t->ino),
		t->subject ? t->nr : 1, t->bytes,
		internf("%" PRIu64 " to %" PRIu64 " %s in %u samples, never fewer%s",
			v->first, v->last, what, samples, who),
		next);
}

/* For each buffer, the record of the process with most descriptors of it */
static const struct hold **most_fds(struct snap *s)
{
	const struct hold **most = xrealloc(NULL, s->n, sizeof(*most));
	size_t i;

	memset(most, 0, s->n * sizeof(*most));
	for (i = 0; i < s->nhold; i++) {
		const struct hold *h = &s->holds[i];

		if (!most[h->buf] || h->fds > most[h->buf]->fds)
			most[h->buf] = h;
	}
	return most;
}

static const char *who_has(struct snap *s, const struct hold **most, uint64_t ino)
{
	struct buf *b = snap_find(s, ino);
	const struct hold *h = b ? most[b - s->bufs] : NULL;

	if (!h || h->fds < 2)
		return "";
	return internf("; pid %" PRIu64 " (%s) has %u descriptors of it",
		       s->procs[h->proc].pid, s->procs[h->proc].comm ?: "?",
		       h->fds);
}

static void growth(struct snap *s)
{
	const struct hold **most = most_fds(s);
	size_t i;

	for (i = 0; i < ntracks; i++) {
		struct track *t = &tracks[i];

		if (!t->subject) {
			bool refs = grows(&t->n);

			if (refs || grows(&t->attached))
				grown(refs ? "refs-grow" : "attached-grow", t,
				      refs ? &t->n : &t->attached,
				      refs ? "references" : "attachments",
				      who_has(s, most, t->ino),
				      internf("dmabuf-stat buffer %" PRIu64,
					      t->ino));
		} else if (grows(&t->n)) {
			grown("group-grows", t, &t->n, "buffers", "",
			      "dmabuf-stat processes");
		} else if (classified && grows(&t->kernel)) {
			grown("kernel-only", t, &t->kernel,
			      "buffers that no process holds", "",
			      "dmabuf-stat buffers -f class=kernel");
		} else if (grows(&t->gone)) {
			grown("allocator-gone", t, &t->gone,
			      "buffers of processes that have ended", "",
			      "dmabuf-stat processes --by allocator");
		}
	}
	free(most);
}

/* So many processes that left something behind are no coincidence */
#define MANY	5

static int by_group(const void *a, const void *b)
{
	const struct buf *x = *(const struct buf **)a;
	const struct buf *y = *(const struct buf **)b;
	const char *p = group_of(x), *q = group_of(y);

	if (p != q)
		return strcmp(p, q);
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Buffers of one kind and group are one finding */
static void collect(struct snap *s, const char *rule, const char *evidence,
		    size_t min_pids,
		    bool (*test)(struct snap *s, const struct buf *b))
{
	const struct buf **found = xrealloc(NULL, s->n, sizeof(*found));
	size_t n = 0, i, first, pids;
	uint64_t bytes;

	for (i = 0; i < s->n; i++)
		if (test(s, &s->bufs[i]))
			found[n++] = &s->bufs[i];
	if (n)
		qsort(found, n, sizeof(*found), by_group);
	for (first = 0; first < n; first = i) {
		const char *group = group_of(found[first]);

		bytes = 0;
		pids = 0;
		for (i = first; i < n && group_of(found[i]) == group; i++) {
			bytes += found[i]->size;
			pids += i == first || found[i]->pid != found[i - 1]->pid;
		}
		if (pids >= min_pids)
			suspect(rule, group, i - first, bytes, evidence,
				internf("dmabuf-stat buffer %" PRIu64,
					found[first]->ino));
	}
	free(found);
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
	struct whole w;
	size_t i;

	for (i = 0; i < s->n; i++)
		if ((s->bufs[i].has & HAS_INO) && s->bufs[i].ino > top)
			top = s->bufs[i].ino;
	if (!s->listed)
		die("no baseline from an incomplete listing");
	fprintf(whole_open(&w, opt.save),
		"dmabuf-stat-baseline 1\nboot_id %s\nino %" PRIu64 "\n",
		s->boot_id ?: "-", top);
	whole_close(&w);
}

/* Numbers ascend and are never reused, so the highest one is enough */
static void load_baseline(struct snap *s)
{
	char boot[128], ino[21];
	FILE *f = fopen(opt.baseline, "r");

	if (!f)
		die("%s: %m", opt.baseline);
	if (fscanf(f, "dmabuf-stat-baseline 1\nboot_id %127s\nino %20[0-9]",
		   boot, ino) != 2 || fgetc(f) != '\n' ||
	    !parse_u64(ino, 10, &base_ino))
		die("%s: not a baseline; make one with leaks --save-baseline",
		    opt.baseline);
	fclose(f);
	if (strcmp(boot, s->boot_id ?: "-"))
		die("%s: was made in another boot", opt.baseline);
}

/* What is no leak by itself, but might be taken for one */
static void seen(struct snap *s)
{
	uint64_t n_kernel = 0, n_gone = 0;
	size_t i;

	for (i = 0; i < s->n; i++) {
		n_kernel += kernel(s, &s->bufs[i]);
		n_gone += gone(s, &s->bufs[i]);
	}
	json_key("seen");
	json_open('{');
	json_key("kernel_only");
	if (s->classified)
		json_u64(n_kernel);
	else
		json_null();
	json_key("allocator_gone");
	if (s->source == SRC_LIST && s->initial_ns)
		json_u64(n_gone);
	else
		json_null();
	json_key("memfds");
	json_u64(s->memfds);
	json_key("sync_files");
	json_u64(s->sync_files);
	json_close('}');
}

int cmd_leaks(struct snap *s)
{
	uint64_t wait = 0, n = 1, i;
	bool incomplete = false;
	int found;

	table_check(&suspects);
	if (opt.for_ms) {
		n = opt.for_ms / 1000 + 1;
		n = n < 5 ? 5 : n > 60 ? 60 : n;
		wait = opt.for_ms / (n - 1);
	}
	for (i = 1; i < n; i++) {
		struct timespec ts = { wait / 1000, wait % 1000 * 1000000 };

		snap_take(s, WANT_HOLDERS);
		sample(s);
		incomplete |= s->incomplete;
		nanosleep(&ts, NULL);
	}
	snap_take(s, WANT_HOLDERS);
	if (opt.for_ms)
		sample(s);
	if (incomplete)
		snap_note(s, true, "some samples were incomplete");
	if (opt.save)
		save_baseline(s);

	growth(s);
	collect(s, "closed", "no reference is left, but it is not freed", 0,
		closed);
	collect(s, "allocator-gone", "many processes that allocated such buffers have ended",
		MANY, gone);
	if (opt.baseline) {
		load_baseline(s);
		collect(s, "new", "exported since the baseline, still there", 0,
			is_new);
	}

	found = suspects.n > 0;
	if (opt.json) {
		json_head(s, "leaks");
		seen(s);
	}
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
		snap_take(s, WANT_TOTALS | WANT_SUMS);
		known = snap_total(s, ST_BYTES, &before);
		nanosleep(&ts, NULL);
	}
	snap_take(s, WANT_TOTALS | WANT_SUMS);
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
