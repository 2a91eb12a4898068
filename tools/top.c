// SPDX-License-Identifier: GPL-2.0
/*
 * The live view. The counters cost next to nothing and are read each second. The
 * walk over the processes costs more, so it is rarer, and the screen says so.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#ifdef HAVE_NCURSES
#include <ncurses.h>

#define WALK_MS		5000
#define WALK_SHARE	100	/* at most that part of the time goes to walks */

static const struct view {
	char key;
	const char *name, *sort, *value;
	size_t nkey;		/* columns that tell a row from others */
} views[] = {
	{ 'p', "processes", "rss", "rss", 1 },
	{ 'e', "exporters", "bytes", "bytes", 2 },
	{ 'b', "buffers", "size", NULL, 1 },
};

static const struct view *view = views;
static char wanted[64];
static bool paused, typing;
static uint64_t walked, walk_ms;

/* The rows of the walk before, to see what grows */
static struct past {
	char *key;
	uint64_t val;
} *past;
static size_t npast;

/* What the screen shows of the counters */
static struct {
	uint64_t at, val[ST_N], before[ST_N], ms;
	bool has[ST_N], rates;
} now;

static uint64_t ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static int by_past(const void *a, const void *b)
{
	return strcmp(((const struct past *)a)->key,
		      ((const struct past *)b)->key);
}

static char *row_key(const struct cell *c)
{
	char *key = xasprintf("%s", ""), *longer;
	size_t i;

	for (i = 0; i < view->nkey; i++) {
		longer = c[i].kind == K_STR ?
			 xasprintf("%s %s", key, c[i].str) :
			 xasprintf("%s %" PRIu64, key, c[i].num);
		free(key);
		key = longer;
	}
	return key;
}

static void forget_past(void)
{
	while (npast)
		free(past[--npast].key);
	free(past);
	past = NULL;
}

/* A column more, by which the value of each row has grown */
static void add_growth(struct table *t)
{
	static struct column columns[32];
	struct past *new = xrealloc(NULL, t->n, sizeof(*new)), *old;
	struct table wide = { columns, t->ncol + 1 };
	size_t value = 0, i;

	memcpy(columns, t->columns, t->ncol * sizeof(*columns));
	columns[t->ncol] = (struct column){ "growth" };
	while (strcmp(columns[value].name, view->value))
		value++;
	for (i = 0; i < t->n; i++) {
		const struct cell *from = t->cells + i * t->ncol;
		struct cell *c = table_row(&wide);

		memcpy(c, from, t->ncol * sizeof(*c));
		new[i] = (struct past){ row_key(from), from[value].num };
		old = past ? bsearch(&new[i], past, npast, sizeof(*past),
				     by_past) : NULL;
		c[t->ncol] = c_bytes(new[i].val - (old ? old->val : 0));
		c[t->ncol].kind = past ? K_DELTA : K_NULL;
	}
	i = t->n;
	free(t->cells);
	*t = wide;
	forget_past();
	if (i)
		qsort(new, i, sizeof(*new), by_past);
	past = new;
	npast = i;
}

static void take(struct snap *s)
{
	uint64_t start = ms(CLOCK_PROCESS_CPUTIME_ID);

	snap_take(s, WANT_HOLDERS);
	walked = ms(CLOCK_MONOTONIC);
	walk_ms = (walked ? ms(CLOCK_PROCESS_CPUTIME_ID) - start : 0) *
		  WALK_SHARE;
	if (walk_ms < WALK_MS)
		walk_ms = WALK_MS;
}

static void count(struct snap *s)
{
	uint64_t at = ms(CLOCK_MONOTONIC);

	snap_counters(s);
	now.rates = now.at && at > now.at;
	now.ms = at - now.at;
	now.at = at;
	memcpy(now.before, now.val, sizeof(now.val));
	for (int i = 0; i < ST_N; i++) {
		now.rates &= now.has[i] || i < ST_NR_EXPORTED;
		now.has[i] = snap_total(s, i, &now.val[i]);
	}
	now.rates &= now.has[ST_NR_EXPORTED] && now.has[ST_BYTES_EXPORTED];
}

static const char *size(uint64_t bytes)
{
	static char text[8][32];
	static int i;

	i = (i + 1) % 8;
	human(text[i], sizeof(text[i]), bytes);
	return text[i];
}

static uint64_t per_second(int which)
{
	return (now.val[which] - now.before[which]) * 1000 / now.ms;
}

static void head(struct snap *s)
{
	uint64_t n[CLASSES], bytes[CLASSES];
	int64_t grown;
	int i;

	fprintf(out, "dmabuf-stat top: source %s%s; holders ",
		source_name(s->source), s->incomplete ? ", INCOMPLETE" : "");
	fprintf(out, "%" PRIu64 " s old, walked every %" PRIu64 " s%s\n",
		(ms(CLOCK_MONOTONIC) - walked) / 1000, walk_ms / 1000,
		paused ? ", PAUSED" : "");
	fputs("dma-buf:", out);
	if (now.has[ST_BUFFERS] && now.has[ST_BYTES])
		fprintf(out, " %" PRIu64 " buffers, %s", now.val[ST_BUFFERS],
			size(now.val[ST_BYTES]));
	else
		fprintf(out, " seen %" PRIu64 " buffers, %s", s->nr,
			size(snap_bytes(s)));
	if (now.has[ST_PEAK])
		fprintf(out, "   peak %s", size(now.val[ST_PEAK]));
	if (now.rates) {
		grown = now.val[ST_BYTES] - now.before[ST_BYTES];
		fprintf(out, "\nrates: %" PRIu64 " exports/s of %s/s   growth %c%s/s\n",
			per_second(ST_NR_EXPORTED),
			size(per_second(ST_BYTES_EXPORTED)),
			grown < 0 ? '-' : '+',
			size((grown < 0 ? -grown : grown) * 1000 / now.ms));
	} else {
		fprintf(out, "\nrates: %s\n", now.has[ST_NR_EXPORTED] ? "..." :
			"not known by this source");
	}
	classes(s, n, bytes);
	fputs("held by:", out);
	for (i = 0; i < CLASSES; i++) {
		if (i == CLASSES - 1 && !s->classified)
			fprintf(out, ", %s ?", class_names[i]);
		else
			fprintf(out, "%s %s %" PRIu64 " %s", i ? "," : "",
				class_names[i], n[i], size(bytes[i]));
	}
	fprintf(out, "\np processes   e exporters   b buffers   < > sort by %s   r reverse\n",
		opt.sort);
	fprintf(out, "space pause   q quit   / filter: %s%s\n", wanted,
		typing ? "_" : "");
}

/*
 * The rows of the walk, made anew after each, or when the view is another; their
 * text only when a key may have changed it: of many buffers it takes a while.
 */
static struct table rows;
static char *body;

static void make_rows(struct snap *s)
{
	static struct column columns[G_N + 2];

	free(rows.cells);
	if (view->key == 'p')
		holders(s, &rows);
	else if (view->key == 'e')
		group(s, G_DEFAULT, &rows, columns, NULL);
	else
		buffers(s, &rows);
	if (view->value)
		add_growth(&rows);
	free(body);
	body = NULL;
}

static void make_text(char **text)
{
	static size_t len;

	out = open_memstream(text, &len);
	if (!out)
		die("out of memory");
}

static void make_body(void)
{
	struct table t = rows;

	make_text(&body);
	t.cells = xrealloc(NULL, t.n * t.ncol, sizeof(*t.cells));
	if (t.n)
		memcpy(t.cells, rows.cells, t.n * t.ncol * sizeof(*t.cells));
	table_print(&t, NULL, 0);
	fclose(out);
}

/* Lines that have the text, and the header, from line y on; returns the next */
static int show(int y, const char *line, const char *filter, bool header)
{
	const char *end;
	int n;

	for (; *line && y < LINES; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		n = end - line;
		if (header)
			attron(A_REVERSE);
		if (header || memmem(line, n, filter, strlen(filter)))
			mvaddnstr(y++, 0, line, n < COLS ? n : COLS);
		attroff(A_REVERSE);
		header = false;
	}
	return y;
}

static void draw(struct snap *s)
{
	char *text;

	if (!body)
		make_body();
	make_text(&text);
	head(s);
	fclose(out);
	out = stdout;

	erase();
	show(show(0, text, "", false), body, wanted, true);
	refresh();
	free(text);
}

static void choose(const struct view *v)
{
	view = v;
	opt.sort = v->sort;
	opt.reverse = false;
	forget_past();
}

/* To the next column that is shown */
static void sort_by(int step)
{
	size_t i = 0;

	while (strcmp(rows.columns[i].name, opt.sort))
		i++;
	do {
		i = (i + rows.ncol + step) % rows.ncol;
	} while (rows.columns[i].hidden);
	opt.sort = rows.columns[i].name;
}

static void type(int key)
{
	size_t n = strlen(wanted);

	if (key == '\n' || key == '\r' || key == KEY_ENTER || key == 27)
		typing = false;
	if (key == 27) {
		*wanted = 0;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && n) {
		wanted[n - 1] = 0;
	} else if (key > ' ' && key < 127 && n < sizeof(wanted) - 1) {
		wanted[n++] = key;
		wanted[n] = 0;
	}
}

/* False: the end */
static bool press(struct snap *s, int key)
{
	size_t i;

	if (typing) {
		type(key);
		return true;
	}
	free(body);
	body = NULL;
	switch (key) {
	case 'q':
		return false;
	case ' ':
		paused = !paused;
		break;
	case '/':
		typing = true;
		*wanted = 0;
		break;
	case '<':
	case '>':
		sort_by(key == '<' ? -1 : 1);
		break;
	case 'r':
		opt.reverse = !opt.reverse;
		break;
	default:
		for (i = 0; i < ARRAY_SIZE(views); i++)
			if (views[i].key == key) {
				choose(&views[i]);
				make_rows(s);
			}
	}
	return true;
}

static void restore(void)
{
	if (!isendwin())
		endwin();
}

int cmd_top(struct snap *s)
{
	uint64_t next = 0, at, n = 0;
	SCREEN *screen;
	int key = ERR;

	if (opt.json || opt.output)
		die("top needs a terminal; use --interval with another command");
	if (!isatty(0) || !isatty(1))
		die("top needs a terminal; other commands repeat with --interval");
	if (!opt.interval)
		opt.interval = 1000;
	choose(views);
	/* what can be wrong is said on a terminal that is as it was */
	take(s);
	make_rows(s);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		die("the terminal is not known; set TERM");
	atexit(restore);
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	do {
		at = ms(CLOCK_MONOTONIC);
		if (!paused && at >= next) {
			if (at - walked >= walk_ms) {
				take(s);
				make_rows(s);
			}
			count(s);
			next = at + opt.interval;
			if (opt.count && n++ == opt.count)
				break;
		}
		draw(s);
		at = ms(CLOCK_MONOTONIC);
		timeout(paused ? 1000 : next > at ? next - at : 0);
		key = getch();
		/* without a terminal, getch does not wait */
	} while (!stop && (key == ERR ? isatty(0) : press(s, key)));
	endwin();
	delscreen(screen);
	return EXIT_OK;
}
#else
int cmd_top(struct snap *s)
{
	(void)s;
	die("top was not built in, as ncurses was missing; other commands repeat with --interval");
}
#endif
