// SPDX-License-Identifier: GPL-2.0
/* Sums by exporter, name, cgroup and so on, and how two snapshots differ */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf-stat.h"

static const struct column group_columns[] = {
	{ "exporter" }, { "module" }, { "name" }, { "comm" }, { "pid" },
	{ "cgroup" }, { "user" },
};

static int keys[G_N];
int nkeys;
static struct snap *key_snap;

static struct cell key(const struct buf *b, int which)
{
	const struct task *t = NULL;

	if (which == G_CGROUP || which == G_USER)
		t = allocator_of(key_snap, b);
	switch (which) {
	case G_CGROUP:
		return c_str(t ? t->cgroup : NULL);
	case G_USER:
		return c_str(t ? user_of(b->pid) : NULL);
	case G_EXPORTER:
		return c_str(b->exporter);
	case G_MODULE:
		return c_str(b->module);
	case G_NAME:
		return c_str(opt.name_pattern ? pattern(b->name) : b->name);
	case G_COMM:
		return c_str(b->comm);
	default:
		return c_if(b->has & HAS_PID, c_num(b->pid));
	}
}

static int compare_keys(const void *a, const void *b)
{
	int i, r;

	for (i = 0; i < nkeys; i++) {
		struct cell x = key(*(const struct buf **)a, keys[i]);
		struct cell y = key(*(const struct buf **)b, keys[i]);

		if (x.kind != y.kind)
			return x.kind < y.kind ? -1 : 1;
		if (x.kind == K_NULL)
			continue;
		if (x.kind == K_STR) {
			r = strcmp(x.str, y.str);
			if (r)
				return r;
		} else if (x.num != y.num) {
			return x.num < y.num ? -1 : 1;
		}
	}
	return 0;
}

/* Returns the keys as bits */
unsigned int parse_keys(const char *by)
{
	char *list = strdup(by), *word, *save;
	unsigned int bits = 0;
	int i;

	nkeys = 0;
	for (word = strtok_r(list, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < G_N; i++)
			if (!strcmp(word, group_columns[i].name))
				break;
		if (i == G_N || (bits & (1 << i)))
			usage("cannot group by \"%s\"; use each once of exporter, module, name, comm, pid, cgroup, user",
			      word);
		keys[nkeys++] = i;
		bits |= 1 << i;
	}
	free(list);
	if (!bits)
		usage("--by needs keys, such as exporter,module");
	return bits;
}

/* Rows: the keys, buffers, bytes. For each the latest buffer, if asked for */
void group(struct snap *s, const char *by, struct table *t,
	   struct column *columns, const struct buf **latest)
{
	unsigned int bits = parse_keys(by);
	struct snap sums = { .merge = bits };
	const struct buf **order;
	struct cell *c = NULL;
	size_t i;
	int k;

	key_snap = s;
	/* few groups are sorted sooner than many buffers */
	if (!s->merge && !latest && !(bits & (1 << G_CGROUP | 1 << G_USER))) {
		for (i = 0; i < s->n; i++)
			snap_add(&sums, &s->bufs[i]);
		s = &sums;
	}
	order = xrealloc(NULL, s->n, sizeof(*order));
	for (k = 0; k < nkeys; k++)
		columns[k] = group_columns[keys[k]];
	columns[nkeys] = (struct column){ "buffers" };
	columns[nkeys + 1] = (struct column){ "bytes" };
	*t = (struct table){ columns, nkeys + 2 };

	for (i = 0; i < s->n; i++)
		order[i] = &s->bufs[i];
	if (s->n)
		qsort(order, s->n, sizeof(*order), compare_keys);
	for (i = 0; i < s->n; i++) {
		const struct buf *b = order[i];

		if (!i || compare_keys(&order[i - 1], &order[i])) {
			c = table_row(t);
			for (k = 0; k < nkeys; k++)
				c[k] = key(b, keys[k]);
			c[nkeys] = c_num(0);
			c[nkeys + 1] = c_bytes(0);
			if (latest)
				latest[t->n - 1] = b;
		}
		if (latest && b->time > latest[t->n - 1]->time)
			latest[t->n - 1] = b;
		c[nkeys].num += b->n;
		if (!(b->has & HAS_SIZE) ||
		    __builtin_add_overflow(c[nkeys + 1].num, b->size,
					   &c[nkeys + 1].num))
			c[nkeys + 1].kind = K_NULL;
	}
	free(order);
	free(sums.bufs);
	free(sums.index);
}

void allocators(struct snap *s, struct table *t)
{
	static struct column columns[G_N + 3];
	const struct buf **latest = xrealloc(NULL, s->n, sizeof(*latest));
	struct cell *old;
	size_t i, n;

	group(s, "pid,comm", t, columns, latest);
	/* widen by a column: is it still that process? */
	n = t->n;
	old = t->cells;
	columns[4] = (struct column){ "alive" };
	*t = (struct table){ columns, 5 };
	for (i = 0; i < n; i++) {
		struct cell *c = table_row(t);
		char alive = allocator_alive(s, latest[i]);

		memcpy(c, old + i * 4, 4 * sizeof(*c));
		c[4] = c_str(alive == 'y' ? "yes" : alive == 'n' ? "gone" :
			     NULL);
	}
	free(old);
	free(latest);
}

static const char *holder_key(struct snap *s, uint32_t proc)
{
	uint64_t pid = s->procs[proc].pid;

	return strcmp(opt.by, "user") ? task_of(pid, true)->cgroup :
	       user_of(pid);
}

struct part {
	const char *key;
	uint32_t proc, buf;
};

static int by_part(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	int r = x->key && y->key ? strcmp(x->key, y->key) :
		!x->key - !y->key;

	if (r)
		return r;
	return x->buf != y->buf ? (x->buf < y->buf ? -1 : 1) :
	       (x->proc > y->proc) - (x->proc < y->proc);
}

/* Holders by cgroup or user; a buffer counts once in each */
void holder_groups(struct snap *s, struct table *t)
{
	static struct column columns[] = {
		{ NULL }, { "processes" }, { "buffers" }, { "rss" }, { "pss" },
	};
	struct part *parts = xrealloc(NULL, s->nhold, sizeof(*parts));
	struct cell *c = NULL;
	size_t i, first = 0, n = 0;

	columns[0].name = strcmp(opt.by, "user") ? "cgroup" : "user";
	*t = (struct table){ columns, ARRAY_SIZE(columns) };
	for (i = 0; i < s->nhold; i++) {
		uint32_t proc = s->holds[i].proc;

		parts[i] = (struct part){ NULL, proc, s->holds[i].buf };
		parts[i].key = i && s->holds[i - 1].proc == proc ?
			       parts[i - 1].key : holder_key(s, proc);
	}
	/* holds go by process, so each is counted once here */
	if (s->nhold)
		qsort(parts, s->nhold, sizeof(*parts), by_part);
	for (i = 0; i < s->nhold; i++) {
		if (!i || parts[i].key != parts[i - 1].key) {
			c = table_row(t);
			c[0] = c_str(parts[i].key);
			c[1] = c_num(0);
			c[2] = c_num(0);
			c[3] = c_bytes(0);
			c[4] = c_bytes(0);
			first = i;
		}
		if (i == first || parts[i].buf != parts[i - 1].buf) {
			c[2].num++;
			c[3].num += s->bufs[parts[i].buf].size;
		}
	}
	free(parts);

	/* the same keys in the same order, so the rows are met one by one */
	parts = xrealloc(NULL, s->nproc, sizeof(*parts));
	for (i = 0; i < s->nproc; i++)
		if (s->procs[i].buffers)
			parts[n++] = (struct part){ holder_key(s, i), i };
	if (n)
		qsort(parts, n, sizeof(*parts), by_part);
	c = t->cells;
	for (i = 0; i < n; i++) {
		if (i && parts[i].key != parts[i - 1].key)
			c += t->ncol;
		c[1].num++;
		c[4].num += s->procs[parts[i].proc].pss;
		if (s->unseen)
			c[4].kind = K_NULL;
	}
	free(parts);
}

/* By group; buffer by buffer, too, if both are of one boot */
int cmd_diff(struct snap *a, struct snap *b)
{
	size_t n = a->n + b->n, i;
	const struct buf **order = xrealloc(NULL, n, sizeof(*order));
	struct column columns[G_N + 7];
	struct table t = { columns };
	struct cell *c = NULL;
	bool same_boot = a->boot_id && b->boot_id &&
			 !strcmp(a->boot_id, b->boot_id);
	int k;

	parse_keys(opt.by ?: G_DEFAULT);
	for (k = 0; k < nkeys; k++)
		columns[k] = group_columns[keys[k]];
	columns[k++] = (struct column){ "before" };
	columns[k++] = (struct column){ "after" };
	columns[k++] = (struct column){ "gone" };
	columns[k++] = (struct column){ "new" };
	columns[k++] = (struct column){ "bytes_before" };
	columns[k++] = (struct column){ "bytes_after" };
	columns[k++] = (struct column){ "change" };
	t.ncol = k;
	if (a->source != b->source)
		snap_note(b, true, "not of one source (%s and %s): what only one of them shows looks like a change",
			  source_name(a->source), source_name(b->source));
	if (!same_boot)
		snap_note(b, false, "captures of different boots: gone and new buffers cannot be told");

	for (i = 0; i < n; i++)
		order[i] = i < a->n ? &a->bufs[i] : &b->bufs[i - a->n];
	key_snap = b;
	if (n)
		qsort(order, n, sizeof(*order), compare_keys);
	for (i = 0; i < n; i++) {
		const struct buf *x = order[i];
		bool old = x >= a->bufs && x < a->bufs + a->n;

		if (!i || compare_keys(&order[i - 1], &order[i])) {
			c = table_row(&t);
			for (k = 0; k < nkeys; k++)
				c[k] = key(x, keys[k]);
			for (k = 0; k < 4; k++)
				c[nkeys + k] = c_if(k < 2 || same_boot, c_num(0));
			for (; k < 7; k++)
				c[nkeys + k] = c_bytes(0);
			c[nkeys + 6].kind = K_DELTA;
		}
		c[nkeys + !old].num++;
		c[nkeys + 2 + !old].num += !(x->has & HAS_INO) ||
					   !snap_find(old ? b : a, x->ino);
		c[nkeys + 4 + !old].num += x->size;
		c[nkeys + 6].num += old ? -x->size : x->size;
	}
	free(order);
	table_check(&t);
	if (opt.json)
		json_head(b, "diff");
	table_print(&t, "change", opt.rows);
	if (opt.json)
		json_tail();
	return EXIT_OK;
}
