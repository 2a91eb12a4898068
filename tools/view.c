// SPDX-License-Identifier: GPL-2.0
/* The commands that show one snapshot */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dmabuf-stat.h"

/* NULL if it cannot be known */
const char *class_of(struct snap *s, const struct buf *b)
{
	if (b->fds)
		return "descriptor";
	if (b->maps)
		return "mapping";
	if (b->paths)
		return "path";
	/* the kernel holds none without a reference: that one is released */
	return s->classified && b->again && !b->released ? "kernel" : NULL;
}

/* Runs of digits become "#", but those of an escape */
const char *pattern(const char *name)
{
	char buf[4096];
	size_t n = 0;

	if (!name)
		return NULL;
	while (*name && n < sizeof(buf) - 5) {
		if (*name == '\\' && strlen(name) >= 4) {
			memcpy(buf + n, name, 4);
			n += 4;
			name += 4;
		} else if (*name >= '0' && *name <= '9') {
			buf[n++] = '#';
			name += strspn(name, "0123456789");
		} else {
			buf[n++] = *name++;
		}
	}
	buf[n] = 0;
	return intern(buf);
}

static void start(struct snap *s, const char *command, const struct table *t)
{
	table_check(t);
	if (opt.json)
		json_head(s, command);
}

static void end(void)
{
	if (opt.json)
		json_tail();
}

void buffers(struct snap *s, struct table *t)
{
	static const struct column columns[] = {
		{ "ino" }, { "size" }, { "refs" }, { "attached" },
		{ "flags", true }, { "time", true }, { "age" }, { "pid" },
		{ "comm" }, { "exporter" }, { "module", true },
		{ "fds", true }, { "maps", true }, { "paths", true },
		{ "holders" }, { "class", true }, { "name" },
	};
	size_t i;

	*t = (struct table){ columns, ARRAY_SIZE(columns) };
	for (i = 0; i < s->n; i++) {
		const struct buf *b = &s->bufs[i];
		struct cell *c = table_row(t);
		bool known;

		*c++ = c_if(b->has & HAS_INO, c_num(b->ino));
		*c++ = c_if(b->has & HAS_SIZE, c_bytes(b->size));
		*c++ = c_if(b->has & HAS_REFS, c_num(b->refs));
		*c++ = c_if(b->has & HAS_ATTACHED, c_num(b->attached));
		*c++ = c_str(b->flags);
		*c++ = c_if(b->has & HAS_TIME, c_num(b->time));
		*c = c_num(s->boottime - b->time);
		c->kind = (b->has & HAS_TIME) && s->has_boottime &&
			  s->boottime >= b->time ? K_AGE : K_NULL;
		c++;
		*c++ = c_if(b->has & HAS_PID, c_num(b->pid));
		*c++ = c_str(b->comm);
		*c++ = c_str(b->exporter);
		*c++ = c_str(b->module);
		known = s->walk_done && (b->has & HAS_INO);
		*c++ = c_if(known, c_num(b->fds));
		*c++ = c_if(known, c_num(b->maps));
		*c++ = c_if(known, c_num(b->paths));
		*c++ = c_if(known, c_num(b->holders));
		*c++ = c_str(class_of(s, b));
		*c++ = c_str(b->name);
	}
}

int cmd_buffers(struct snap *s)
{
	struct table t;

	buffers(s, &t);
	start(s, "buffers", &t);
	table_print(&t, "size", opt.rows);
	end();
	return EXIT_OK;
}

int cmd_groups(struct snap *s, const char *command, const char *by)
{
	struct column columns[G_N + 2];
	struct table t;

	group(s, by, &t, columns, NULL);
	start(s, command, &t);
	table_print(&t, "bytes", opt.rows);
	end();
	return EXIT_OK;
}

void holders(struct snap *s, struct table *t)
{
	static const struct column columns[] = {
		{ "pid" }, { "comm" }, { "uid", true }, { "buffers" },
		{ "fds" }, { "paths", true }, { "maps" }, { "open" },
		{ "limit" }, { "rss" }, { "pss" }, { "uss" },
		{ "android_rss", true }, { "android_pss", true },
	};
	/* what is hidden need not be read */
	bool all = opt.json || opt.columns || opt.nfilter ||
		   (opt.sort && (!strcasecmp(opt.sort, "uid") ||
				 !strncasecmp(opt.sort, "android", 7)));
	size_t i;

	*t = (struct table){ columns, ARRAY_SIZE(columns) };
	for (i = 0; i < s->nproc; i++) {
		const struct proc *p = &s->procs[i];
		const struct task *task;
		uint64_t rss = 0, pss = 0;
		char path[64];
		struct cell *c;

		if (!p->buffers)
			continue;
		c = table_row(t);
		*c++ = c_num(p->pid);
		*c++ = c_str(p->comm);
		task = all ? task_of(p->pid, true) : NULL;
		*c++ = c_if(all && task->has_uid, c_num(all ? task->uid : 0));
		*c++ = c_num(p->buffers);
		*c++ = c_num(p->fds);
		*c++ = c_num(p->paths);
		*c++ = c_num(p->maps);
		*c++ = c_num(p->open);
		*c++ = c_if(p->has_limit, c_num(p->limit));
		*c++ = c_bytes(p->rss);
		/* others may hold it too that could not be read */
		*c++ = c_if(!s->unseen, c_bytes(p->pss));
		*c++ = c_if(!s->unseen, c_bytes(p->uss));
		snprintf(path, sizeof(path), "proc/%" PRIu64 "/dmabuf_rss",
			 p->pid);
		*c++ = c_if(all && read_u64(path, &rss), c_bytes(rss));
		snprintf(path, sizeof(path), "proc/%" PRIu64 "/dmabuf_pss",
			 p->pid);
		*c++ = c_if(all && read_u64(path, &pss), c_bytes(pss));
	}
}

int cmd_processes(struct snap *s)
{
	struct table t;

	if (opt.by_allocator)
		allocators(s, &t);
	else if (opt.by && strcmp(opt.by, "holder"))
		holder_groups(s, &t);
	else
		holders(s, &t);
	start(s, "processes", &t);
	if (opt.json) {
		json_key("by");
		json_str(opt.by ?: "holder");
	}
	table_print(&t, opt.by_allocator ? "bytes" : "rss", opt.rows);
	end();
	return EXIT_OK;
}

int cmd_buffer(struct snap *s, uint64_t ino)
{
	static const struct column columns[] = {
		{ "pid" }, { "comm" }, { "kind" }, { "at" },
	};
	struct table t = { columns, ARRAY_SIZE(columns) };
	struct buf *b = snap_find(s, ino);
	char size[32];
	struct cell *c;
	size_t i;

	if (!b) {
		if (s->listed)
			die("there is no buffer %" PRIu64, ino);
		die("buffer %" PRIu64 " was not seen, but not all could be",
		    ino);
	}
	for (i = 0; i < s->ndetail; i++) {
		const struct detail *d = &s->details[i];

		c = table_row(&t);
		*c++ = c_num(s->procs[d->proc].pid);
		*c++ = c_str(s->procs[d->proc].comm);
		*c++ = c_str(d->kind == 'f' ? "fd" : d->kind == 'm' ? "map" :
			     "path");
		*c++ = d->kind == 'm' && !opt.json ?
		       c_str(internf("0x%" PRIx64, d->at)) : c_num(d->at);
	}

	table_check(&t);
	if (!opt.json) {
		snprintf(size, sizeof(size), "?");
		if (b->has & HAS_SIZE)
			human(size, sizeof(size), b->size);
		fprintf(out, "inode %" PRIu64 ", %s, exporter %s, module %s, name %s\n",
			ino, size, b->exporter ?: "?", b->module ?: "?",
			b->name ?: "?");
		if (b->has & HAS_REFS)
			fprintf(out, "references: %" PRIu64 "\n", b->refs);
		if (b->has & HAS_PID)
			fprintf(out, "allocated by: %s, pid %" PRIu64 "%s\n",
				b->comm ?: "?", b->pid,
				allocator_alive(s, b) == 'n' ? " (gone)" : "");
		if ((b->has & HAS_TIME) && s->has_boottime &&
		    s->boottime >= b->time)
			fprintf(out, "age: %" PRIu64 " s\n",
				(s->boottime - b->time) / 1000);
		fprintf(out, "held by: %s\n", class_of(s, b) ?: "?");
		if (b->has & HAS_ATTACHED)
			fprintf(out, "attachments: %" PRIu64 "\n", b->attached);
		for (i = 0; i < s->ndevices; i++)
			fprintf(out, "device: %s\n", s->devices[i]);
		if (t.n)
			table_print(&t, NULL, opt.rows);
		return EXIT_OK;
	}

	json_head(s, "buffer");
	json_key("devices");
	if (s->devices_known) {
		json_open('[');
		for (i = 0; i < s->ndevices; i++)
			json_str(s->devices[i]);
		json_close(']');
	} else {
		json_null();
	}
	json_key("buffer");
	json_open('{');
	json_key("ino");
	json_u64(ino);
#define NUM(bit, field)						\
	do {							\
		json_key(#field);				\
		if (b->has & (bit))				\
			json_u64(b->field);			\
		else						\
			json_null();				\
	} while (0)
#define STR(field)						\
	do {							\
		json_key(#field);				\
		json_str(b->field);				\
	} while (0)
	NUM(HAS_SIZE, size);
	NUM(HAS_REFS, refs);
	NUM(HAS_ATTACHED, attached);
	STR(flags);
	NUM(HAS_TIME, time);
	NUM(HAS_PID, pid);
	STR(comm);
	STR(exporter);
	STR(module);
	STR(name);
#undef NUM
#undef STR
	json_key("class");
	json_str(class_of(s, b));
	json_close('}');
	/* the holders */
	table_print(&t, NULL, opt.rows);
	json_tail();
	return EXIT_OK;
}

static const char * const total_names[ST_N] = {
	"buffers", "bytes", "peak_bytes", "exported_buffers", "exported_bytes",
};

const char * const class_names[CLASSES] = {
	"descriptor", "mapping", "path", "kernel",
};

/*
 * Lines of meminfo that are taken for this; they overlap, so no sum. From Slab
 * on each page is counted in one line at most, so what is in none is known; the
 * last of these are not on all kernels.
 */
enum {
	MEM_TOTAL, MEM_SLAB = 5, MEM_SHOWN, MEM_FREE = MEM_SHOWN,
	MEM_OPTIONAL = 10, MEM_N = 19,
};

static const char * const meminfo_names[MEM_N] = {
	"MemTotal", "MemAvailable", "Shmem", "CmaTotal", "CmaFree", "Slab",
	"MemFree", "Active", "Inactive", "Unevictable", "PageTables",
	"SecPageTables", "VmallocUsed", "Percpu", "Hugetlb", "Balloon",
	"GPUActive", "GPUReclaim", "Zswap",
};

static void meminfo(struct cell mem[MEM_N])
{
	struct lines *l = lines_open("proc/meminfo");
	char *line, *name;
	uint64_t kib;
	size_t i;

	memset(mem, 0, MEM_N * sizeof(*mem));
	while (l && (line = lines_next(l))) {
		name = strsep(&line, ":");
		if (!line)
			continue;
		line += strspn(line, " ");
		line[strcspn(line, " ")] = 0;
		for (i = 0; i < MEM_N; i++)
			if (!strcmp(name, meminfo_names[i]) &&
			    parse_u64(line, 10, &kib) && kib < 1ull << 54)
				mem[i] = c_bytes(kib * 1024);
	}
	lines_close(l);
}

/* MemFree lacks the free pages on the lists of each CPU; in bytes, as @mem_free */
static uint64_t free_on_cpus(uint64_t mem_free)
{
	struct lines *l = lines_open("proc/zoneinfo");
	uint64_t zones = 0, cpus = 0, n;
	const char *line;

	while (l && (line = lines_next(l))) {
		if (sscanf(line, " pages free %" SCNu64, &n) == 1)
			zones += n;
		else if (sscanf(line, " count: %" SCNu64, &n) == 1)
			cpus += n;
	}
	lines_close(l);
	return zones ? mem_free / zones * cpus : 0;
}

/* Memory that no line of meminfo has, as what drivers allocate */
static struct cell unaccounted(const struct cell mem[MEM_N])
{
	struct cell c = mem[MEM_TOTAL];
	size_t i;

	if (__builtin_sub_overflow(c.num, free_on_cpus(mem[MEM_FREE].num), &c.num))
		c.kind = K_NULL;
	for (i = MEM_SLAB; i < MEM_N; i++)
		if ((mem[i].kind == K_NULL && i < MEM_OPTIONAL) ||
		    __builtin_sub_overflow(c.num, mem[i].num, &c.num))
			c.kind = K_NULL;
	return c;
}

void classes(struct snap *s, uint64_t n[CLASSES], uint64_t bytes[CLASSES])
{
	size_t i, j;

	memset(n, 0, CLASSES * sizeof(*n));
	memset(bytes, 0, CLASSES * sizeof(*bytes));
	for (i = 0; i < s->n; i++) {
		const char *class = class_of(s, &s->bufs[i]);

		for (j = 0; class && j < CLASSES; j++) {
			if (strcmp(class, class_names[j]))
				continue;
			n[j]++;
			bytes[j] += s->bufs[i].size;
		}
	}
}

static bool accounting(char *text, size_t size)
{
	return read_word("sys/module/dma_heap/parameters/mem_accounting", text,
			 size);
}

static void summary_json(struct snap *s)
{
	struct column columns[G_N + 2];
	uint64_t n[CLASSES], bytes[CLASSES], val;
	struct cell mem[MEM_N], lost;
	struct table t;
	char text[8];
	size_t i;

	json_head(s, "summary");
	json_key("totals");
	json_open('{');
	for (i = 0; i < ST_N; i++) {
		json_key(total_names[i]);
		if (snap_total(s, i, &val))
			json_u64(val);
		else
			json_null();
	}
	json_key("seen_buffers");
	json_u64(s->nr);
	json_key("seen_bytes");
	json_u64(snap_bytes(s));
	json_close('}');

	meminfo(mem);
	json_key("meminfo");
	json_open('{');
	for (i = 0; i < MEM_SHOWN; i++) {
		json_key(meminfo_names[i]);
		json_cell(&mem[i]);
	}
	json_close('}');
	lost = unaccounted(mem);
	json_key("unaccounted_bytes");
	json_cell(&lost);

	/* whether heaps charge what they allocate to cgroups */
	json_key("mem_accounting");
	if (accounting(text, sizeof(text)))
		json_bool(*text == 'Y');
	else
		json_null();

	classes(s, n, bytes);
	json_key("classes");
	json_open('{');
	for (i = 0; i < CLASSES; i++) {
		json_key(class_names[i]);
		if (!s->walk_done || (i == CLASSES - 1 && !s->classified)) {
			json_null();
			continue;
		}
		json_open('{');
		json_key("buffers");
		json_u64(n[i]);
		json_key("bytes");
		json_u64(bytes[i]);
		json_close('}');
	}
	json_close('}');

	json_key("exporters");
	json_open('{');
	group(s, G_DEFAULT, &t, columns, NULL);
	table_print(&t, "bytes", opt.rows);
	json_close('}');
	json_key("processes");
	json_open('{');
	holders(s, &t);
	table_print(&t, "rss", opt.rows);
	json_close('}');
	json_tail();
}

/* In lines of 80 columns, as far as there are blanks */
static void wrap(const char *note)
{
	size_t n, len;

	for (; *note; note += n + strspn(note + n, " ")) {
		len = strlen(note);
		for (n = len > 78 ? 78 : len; n && note[n] && note[n] != ' ';)
			n--;
		if (!n)
			n = strcspn(note, " ");
		fprintf(out, "  %.*s\n", (int)n, note);
	}
}

static void biggest(struct table *t, const char *sort, const char *what)
{
	size_t limit = opt.rows ?: 10, all = t->n;

	if (!all)
		return;
	fprintf(out, "\n%s\n", what);
	table_print(t, sort, limit);
	if (all > limit)
		fprintf(out, "and %zu more\n", all - limit);
}

int cmd_summary(struct snap *s)
{
	static const char * const labels[] = {
		"descriptor", "mapping only", "O_PATH only",
		"kernel only or in flight",
	};
	struct column columns[G_N + 2];
	uint64_t n[CLASSES], bytes[CLASSES], val;
	struct cell mem[MEM_N], lost;
	struct table t;
	char text[32];
	size_t shown = 0, i;

	if (opt.json) {
		summary_json(s);
		return EXIT_OK;
	}

	fprintf(out, "source: %s%s\n", source_name(s->source),
		s->incomplete ? ", INCOMPLETE" : "");
	for (i = 0; i < s->nnotes; i++)
		wrap(s->notes[i]);
	fputs("dma-buf:", out);
	for (i = 0; i < ST_N; i++) {
		static const char * const fmt[ST_N] = {
			" %s buffers,", " %s", "   peak %s", "   exported %s,",
			" %s",
		};

		if (!snap_total(s, i, &val))
			snprintf(text, sizeof(text), "?");
		else if (i == ST_BUFFERS || i == ST_NR_EXPORTED)
			snprintf(text, sizeof(text), "%" PRIu64, val);
		else
			human(text, sizeof(text), val);
		fprintf(out, fmt[i], text);
	}
	fputc('\n', out);
	if (!s->listed) {
		human(text, sizeof(text), snap_bytes(s));
		fprintf(out, "seen: %" PRIu64 " buffers, %s\n", s->nr, text);
	}
	fputs("memory (may overlap, do not add):", out);
	meminfo(mem);
	for (i = 0; i < MEM_SHOWN; i++) {
		if (mem[i].kind == K_NULL)
			continue;
		human(text, sizeof(text), mem[i].num);
		fprintf(out, "%s%s %s", shown++ % 3 ? ", " : "\n  ",
			meminfo_names[i], text);
	}
	lost = unaccounted(mem);
	if (lost.kind != K_NULL) {
		human(text, sizeof(text), lost.num);
		fprintf(out, "\n  unaccounted %s, of which dma-bufs explain at most ",
			text);
		snprintf(text, sizeof(text), "?");
		if (snap_total(s, ST_BYTES, &val)) {
			val = val < lost.num ? val : lost.num;
			human(text, sizeof(text), val);
		}
		fputs(text, out);
	}
	if (accounting(text, sizeof(text)))
		fprintf(out, "\n  heaps %s cgroups for what they allocate",
			*text == 'Y' ? "charge" : "do not charge");
	fputs("\n\nheld by                   buffers       bytes\n", out);
	classes(s, n, bytes);
	for (i = 0; i < CLASSES; i++) {
		if (!s->walk_done || (i == CLASSES - 1 && !s->classified)) {
			fprintf(out, "%-25s %7s %11s\n", labels[i], "?", "?");
			continue;
		}
		human(text, sizeof(text), bytes[i]);
		fprintf(out, "%-25s %7" PRIu64 " %11s\n", labels[i], n[i],
			text);
	}
	group(s, G_DEFAULT, &t, columns, NULL);
	biggest(&t, "bytes", "exporters: what allocated the buffers");
	holders(s, &t);
	biggest(&t, "rss",
		"holders: RSS is all they hold, PSS their share, USS what no other holds");
	return EXIT_OK;
}
