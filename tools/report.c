// SPDX-License-Identifier: GPL-2.0
/*
 * A page about captures, to be kept or mailed: it opens without a network, runs
 * no script, and its diagrams are SVG.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dmabuf-stat.h"

#define BANDS	7		/* colours; the last one is for the rest */
#define LEFT	90
#define WIDTH	640
#define HEIGHT	220

struct exporter {
	const char *name, *module;
	uint64_t most, first, last;
};

struct capture {
	const char *file, *boot;
	uint64_t time, buffers, bytes;
	uint64_t *by;		/* bytes by exporter, n of them */
	size_t n;
};

static struct exporter *exporters;
static size_t nexporters;
static struct capture *captures;
static size_t ncaptures;

static void text(const char *s)
{
	for (; s && *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '"')
			fputs("&quot;", out);
		else
			fputc(*s, out);
	}
}

static void cell(const struct cell *c)
{
	char buf[32];

	if (c->kind == K_STR) {
		fputs("<td>", out);
		text(c->str);
		return;
	}
	if (c->kind == K_BYTES)
		human(buf, sizeof(buf), c->num);
	else if (c->kind == K_NULL)
		snprintf(buf, sizeof(buf), "?");
	else
		snprintf(buf, sizeof(buf), "%" PRIu64, c->num);
	fprintf(out, "<td class=n>%s", buf);
}

static const char *when(uint64_t ms)
{
	static char buf[32];
	time_t s = ms / 1000;
	struct tm tm;

	strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", gmtime_r(&s, &tm));
	return buf;
}

static size_t exporter(const char *name, const char *module)
{
	size_t i;

	for (i = 0; i < nexporters; i++)
		if (!strcmp(exporters[i].name, name) &&
		    !strcmp(exporters[i].module, module))
			return i;
	exporters = xrealloc(exporters, nexporters + 1, sizeof(*exporters));
	exporters[i] = (struct exporter){ name, module };
	return nexporters++;
}

static void add(struct snap *s, const char *file)
{
	struct capture *c;
	const char *time = rec_value("time");
	struct column columns[G_N + 2];
	struct table t;
	size_t i, at;

	captures = xrealloc(captures, ncaptures + 1, sizeof(*captures));
	c = &captures[ncaptures++];
	*c = (struct capture){ .file = file, .boot = s->boot_id };
	if (!time || !parse_u64(time, 10, &c->time))
		die("%s: does not say when it was made; make it with dmabuf-stat record",
		    file);
	if (!snap_total(s, ST_BUFFERS, &c->buffers))
		c->buffers = s->nr;
	if (!snap_total(s, ST_BYTES, &c->bytes))
		c->bytes = snap_bytes(s);
	group(s, G_DEFAULT, &t, columns, NULL);
	for (i = 0; i < t.n; i++) {
		const struct cell *row = t.cells + i * t.ncol;

		at = exporter(row[0].kind == K_STR ? row[0].str : "?",
			      row[1].kind == K_STR ? row[1].str : "?");
		if (at >= c->n) {
			c->by = xrealloc(c->by, at + 1, sizeof(*c->by));
			memset(c->by + c->n, 0,
			       (at + 1 - c->n) * sizeof(*c->by));
			c->n = at + 1;
		}
		c->by[at] = row[3].kind == K_NULL ? 0 : row[3].num;
		if (c->by[at] > exporters[at].most)
			exporters[at].most = c->by[at];
	}
	free(t.cells);
}

static int by_time(const void *a, const void *b)
{
	const struct capture *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

static int by_most(const void *a, const void *b)
{
	const struct exporter *x = &exporters[*(const size_t *)a];
	const struct exporter *y = &exporters[*(const size_t *)b];

	return x->most > y->most ? -1 : x->most < y->most;
}

/* Of so many pixels; sums may be more than fits in 64 bits */
static int part(double val, double whole, int of)
{
	return whole > 0 ? val / whole * of + 0.5 : 0;
}

static int at_x(const struct capture *c)
{
	uint64_t first = captures[0].time;

	return LEFT + part(c->time - first,
			   captures[ncaptures - 1].time - first, WIDTH);
}

static void axes(double top, bool bytes)
{
	char buf[32];
	int y;

	fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=img>\n", LEFT + WIDTH + 90,
		HEIGHT + 40);
	for (y = 0; y <= 4; y++) {
		if (bytes)
			human(buf, sizeof(buf), top / 4 * y);
		else
			snprintf(buf, sizeof(buf), "%.0f", top / 4 * y);
		fprintf(out, "<path class=grid d=\"M%d %dh%d\"/>", LEFT,
			HEIGHT + 10 - HEIGHT / 4 * y, WIDTH);
		fprintf(out, "<text x=%d y=%d class=n>%s</text>\n", LEFT - 8,
			HEIGHT + 14 - HEIGHT / 4 * y, buf);
	}
	fprintf(out, "<text x=%d y=%d>%s</text>\n", LEFT, HEIGHT + 30,
		when(captures[0].time));
	fprintf(out, "<text x=%d y=%d class=n>%s UTC</text>\n", LEFT + WIDTH,
		HEIGHT + 30, when(captures[ncaptures - 1].time));
}

/* Above what was drawn */
static void boots(void)
{
	size_t i;

	for (i = 1; i < ncaptures; i++)
		if (captures[i].boot && captures[i - 1].boot &&
		    strcmp(captures[i].boot, captures[i - 1].boot))
			fprintf(out, "<path class=boot d=\"M%d 10v%d\"><title>boot</title></path>\n",
				at_x(&captures[i]), HEIGHT);
	fputs("</svg>\n", out);
}

static uint64_t band(const struct capture *c, const size_t *order, size_t which)
{
	uint64_t sum = 0;
	size_t i;

	for (i = which; i < nexporters; i++) {
		if (order[i] < c->n)
			sum += c->by[order[i]];
		if (which < BANDS - 1)
			break;
	}
	return sum;
}

/* From the bottom the one that has most, on it the next */
static void exporters_over_time(const size_t *order)
{
	size_t bands = nexporters < BANDS ? nexporters : BANDS, i, b;
	double *low = xrealloc(NULL, ncaptures, sizeof(*low)), top = 1;

	memset(low, 0, ncaptures * sizeof(*low));
	for (i = 0; i < ncaptures; i++) {
		double sum = 0;

		for (b = 0; b < bands; b++)
			sum += band(&captures[i], order, b);
		if (sum > top)
			top = sum;
	}
	axes(top, true);
	for (b = 0; b < bands; b++) {
		fprintf(out, "<path class=b%zu d=\"M", b);
		for (i = ncaptures; i--;)
			fprintf(out, "%d %d ", at_x(&captures[i]),
				HEIGHT + 10 - part(low[i], top, HEIGHT));
		for (i = 0; i < ncaptures; i++) {
			low[i] += band(&captures[i], order, b);
			fprintf(out, "%d %d ", at_x(&captures[i]),
				HEIGHT + 10 - part(low[i], top, HEIGHT));
		}
		fputs("z\"><title>", out);
		text(b == BANDS - 1 ? "others" : exporters[order[b]].name);
		fputs("</title></path>\n", out);
	}
	boots();
	free(low);
}

static void buffers_over_time(void)
{
	uint64_t top = 4;
	size_t i;

	for (i = 0; i < ncaptures; i++)
		if (captures[i].buffers > top)
			top = captures[i].buffers;
	/* no parts of a buffer at the grid */
	top = top / 4 * 4 + (top % 4 ? 4 : 0);
	axes(top, false);
	fputs("<path class=line d=\"M", out);
	for (i = 0; i < ncaptures; i++)
		fprintf(out, "%d %d ", at_x(&captures[i]), HEIGHT + 10 -
			part(captures[i].buffers, top, HEIGHT));
	fputs("\"/>\n", out);
	boots();
}

static void exporter_table(const size_t *order)
{
	const struct capture *a = captures, *z = &captures[ncaptures - 1];
	size_t i;

	fputs("<table><tr><th><th>exporter<th>module<th>first<th>last<th>most\n",
	      out);
	for (i = 0; i < nexporters; i++) {
		const struct exporter *e = &exporters[order[i]];
		struct cell c[] = {
			c_str(e->name), c_str(e->module),
			c_bytes(order[i] < a->n ? a->by[order[i]] : 0),
			c_bytes(order[i] < z->n ? z->by[order[i]] : 0),
			c_bytes(e->most),
		};
		size_t j;

		fprintf(out, "<tr><td class=b%zu>&nbsp;",
			i < BANDS ? i : BANDS - 1);
		for (j = 0; j < ARRAY_SIZE(c); j++)
			cell(&c[j]);
		fputc('\n', out);
	}
	fputs("</table>\n", out);
}

static int by_rss(const void *a, const void *b)
{
	const struct proc *x = *(const struct proc **)a;
	const struct proc *y = *(const struct proc **)b;

	return x->rss > y->rss ? -1 : x->rss < y->rss;
}

static void holder_table(struct snap *s)
{
	const struct proc **rows = xrealloc(NULL, s->nproc, sizeof(*rows));
	size_t n = 0, i, j;

	for (i = 0; i < s->nproc; i++)
		if (s->procs[i].buffers)
			rows[n++] = &s->procs[i];
	if (n)
		qsort(rows, n, sizeof(*rows), by_rss);
	fputs("<table><tr><th>pid<th>comm<th>buffers<th>rss<th>pss<th>uss<th>\n",
	      out);
	for (i = 0; i < n && i < (opt.rows ?: 10); i++) {
		struct cell c[] = {
			c_num(rows[i]->pid), c_str(rows[i]->comm),
			c_num(rows[i]->buffers), c_bytes(rows[i]->rss),
			c_if(!s->unseen, c_bytes(rows[i]->pss)),
			c_if(!s->unseen, c_bytes(rows[i]->uss)),
		};

		fputs("<tr>", out);
		for (j = 0; j < ARRAY_SIZE(c); j++)
			cell(&c[j]);
		fprintf(out, "<td><svg class=bar viewBox=\"0 0 200 12\"><path class=b0 d=\"M0 0h%dv12H0z\"/></svg>\n",
			part(rows[i]->rss, rows[0]->rss, 200));
	}
	fputs("</table>\n", out);
	free(rows);
}

static const char head[] =
"<!DOCTYPE html>\n"
"<html lang=en><meta charset=utf-8><title>DMA-BUFs</title>\n"
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
"<style>\n"
":root{color-scheme:light dark}\n"
"body{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em}\n"
"svg{display:block;width:100%}\n"
"svg text{font:12px sans-serif;fill:currentColor}\n"
"svg text.n{text-anchor:end}svg.bar{width:12em}\n"
"table{border-collapse:collapse}th{text-align:left}td.n{text-align:right}\n"
"td,th{padding:.1em 1em .1em 0}\n"
"td[class^=b]{padding:0 .6em;border:2px solid Canvas}\n"
".grid{stroke:#8886}.boot{stroke:currentColor;stroke-dasharray:4}\n"
".line{fill:none;stroke:#1f77b4;stroke-width:2}.note{color:#b33}\n"
".b0{fill:#1f77b4;background:#1f77b4}.b1{fill:#ff7f0e;background:#ff7f0e}\n"
".b2{fill:#2ca02c;background:#2ca02c}.b3{fill:#9467bd;background:#9467bd}\n"
".b4{fill:#8c564b;background:#8c564b}.b5{fill:#e377c2;background:#e377c2}\n"
".b6{fill:#7f7f7f;background:#7f7f7f}\n"
"</style>\n";

int cmd_report(struct snap *s, char **files)
{
	const char *last = NULL;
	uint64_t latest = 0, n;
	bool incomplete = false;
	char bytes[32];
	size_t *order;
	size_t i;

	keep_strings = true;
	for (; *files; files++) {
		root_open(*files);
		snap_take(s, 0);
		add(s, *files);
		incomplete |= s->incomplete;
		if (captures[ncaptures - 1].time >= latest) {
			latest = captures[ncaptures - 1].time;
			last = *files;
		}
	}
	qsort(captures, ncaptures, sizeof(*captures), by_time);
	order = xrealloc(NULL, nexporters, sizeof(*order));
	for (i = 0; i < nexporters; i++)
		order[i] = i;
	if (nexporters)
		qsort(order, nexporters, sizeof(*order), by_most);
	root_open(last);
	snap_take(s, WANT_HOLDERS);
	s->incomplete |= incomplete;

	fputs(head, out);
	human(bytes, sizeof(bytes), captures[ncaptures - 1].bytes);
	fprintf(out, "<h1>DMA-BUFs</h1>\n<p>%" PRIu64 " buffers, %s, on %s UTC.",
		captures[ncaptures - 1].buffers, bytes, when(latest));
	if (snap_total(s, ST_PEAK, &n)) {
		human(bytes, sizeof(bytes), n);
		fprintf(out, " Peak %s.", bytes);
	}
	fprintf(out, " %zu captures, source %s.</p>\n", ncaptures,
		source_name(s->source));
	if (s->incomplete)
		fputs("<p class=note>Figures may be low: not all buffers were seen.</p>\n",
		      out);
	for (i = 0; i < s->nnotes; i++) {
		fputs("<p>Of the last one: ", out);
		text(s->notes[i]);
		fputs("</p>\n", out);
	}
	if (ncaptures > 1) {
		fputs("<h2>Bytes by exporter</h2>\n", out);
		exporters_over_time(order);
	}
	exporter_table(order);
	if (ncaptures > 1) {
		fputs("<h2>Buffers</h2>\n", out);
		buffers_over_time();
	}
	fputs("<h2>Processes that hold most at the end</h2>\n", out);
	holder_table(s);
	fputs("<p>A buffer that several processes hold is in the rss of each;\n"
	      "pss divides it among them, uss is what no other one holds.</p>\n"
	      "</html>\n", out);
	free(order);
	keep_strings = false;
	return EXIT_OK;
}
