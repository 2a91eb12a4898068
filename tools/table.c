// SPDX-License-Identifier: GPL-2.0
/* Rows and columns: filters, order, text and JSON */
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dmabuf-stat.h"

static size_t sort_column;

struct cell *table_row(struct table *t)
{
	struct cell *c;

	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->cells = xrealloc(t->cells, t->room * t->ncol,
				    sizeof(*t->cells));
	}
	c = t->cells + t->n++ * t->ncol;
	memset(c, 0, t->ncol * sizeof(*c));
	return c;
}

static size_t column(const struct table *t, const char *name)
{
	size_t len = 1, i;
	char *all;

	for (i = 0; i < t->ncol; i++) {
		if (!strcasecmp(t->columns[i].name, name))
			return i;
		len += strlen(t->columns[i].name) + 1;
	}
	all = xrealloc(NULL, len, 1);
	*all = 0;
	for (i = 0; i < t->ncol; i++)
		strcat(strcat(all, " "), t->columns[i].name);
	usage("no column \"%s\" here; there are:%s", name, all);
}

static void text(const struct cell *c, char *buf, size_t size)
{
	switch (c->kind) {
	case K_NULL:
		snprintf(buf, size, "?");
		break;
	case K_NUM:
		snprintf(buf, size, "%" PRIu64, c->num);
		break;
	case K_BYTES:
		human(buf, size, c->num);
		break;
	case K_AGE:
		if (opt.bytes || c->num < 60000)
			snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "s",
				 c->num / 1000, c->num % 1000 / 100);
		else if (c->num < 7200000)
			snprintf(buf, size, "%" PRIu64 "m", c->num / 60000);
		else
			snprintf(buf, size, "%" PRIu64 "h", c->num / 3600000);
		break;
	case K_DELTA:
		*buf = (int64_t)c->num < 0 ? '-' : '+';
		human(buf + 1, size - 1,
		      (int64_t)c->num < 0 ? -c->num : c->num);
		break;
	case K_STR:
		snprintf(buf, size, "%s", c->str);
		break;
	}
}

/* Most first for numbers, A first for words; equals keep their order */
static int compare(const void *a, const void *b)
{
	const struct cell *rx = *(const struct cell **)a;
	const struct cell *ry = *(const struct cell **)b;
	const struct cell *x = rx + sort_column, *y = ry + sort_column;
	int r = 0;

	if (x->kind == K_NULL || y->kind == K_NULL)
		r = (x->kind == K_NULL) - (y->kind == K_NULL);
	else if (x->kind == K_STR)
		r = strcmp(x->str, y->str);
	else if (x->kind == K_DELTA && x->num != y->num)
		r = (int64_t)x->num > (int64_t)y->num ? -1 : 1;
	else if (x->num != y->num)
		r = x->num > y->num ? -1 : 1;
	if (opt.reverse)
		r = -r;
	return r ?: (rx < ry ? -1 : rx > ry);
}

static struct filter {
	size_t column;
	const char *val, *escaped;	/* exact, in either form */
	bool is_regex, is_num;
	uint64_t num;
	regex_t regex;
} *filters;

static void filters_free(void)
{
	size_t i;

	for (i = 0; filters && i < opt.nfilter; i++)
		if (filters[i].is_regex)
			regfree(&filters[i].regex);
	free(filters);
	filters = NULL;
}

static void filters_make(const struct table *t)
{
	size_t i;

	filters_free();
	filters = xrealloc(NULL, opt.nfilter, sizeof(*filters));
	memset(filters, 0, opt.nfilter * sizeof(*filters));
	for (i = 0; i < opt.nfilter; i++) {
		const char *eq = strchr(opt.filter[i], '=');
		struct filter *f = &filters[i];
		char *name;

		if (!eq)
			usage("a filter is COLUMN=VALUE or COLUMN=~REGEX, not \"%s\"",
			      opt.filter[i]);
		name = strndup(opt.filter[i], eq - opt.filter[i]);
		f->column = column(t, name);
		free(name);
		f->val = eq + 1;
		f->escaped = escape(f->val);
		f->is_regex = *f->val == '~';
		if (f->is_regex && regcomp(&f->regex, f->val + 1,
					   REG_EXTENDED | REG_NOSUB))
			usage("\"%s\" is no regular expression", f->val + 1);
		f->is_num = parse_size(f->val, &f->num);
	}
}

static bool matches(const struct filter *f, const struct cell *row)
{
	const struct cell *c = &row[f->column];
	char num[24];
	const char *s = num;

	if (c->kind == K_NULL)
		return false;
	if (c->kind == K_STR)
		s = c->str;
	else
		snprintf(num, sizeof(num), "%" PRIu64, c->num);
	if (f->is_regex)
		return !regexec(&f->regex, s, 0, NULL, 0);
	if (c->kind != K_STR)
		return f->is_num && c->num == f->num;
	return !strcmp(s, f->val) || !strcmp(s, f->escaped);
}

static void print_json(const struct table *t, struct cell **rows, size_t n)
{
	size_t i, j;

	json_key("rows");
	json_open('[');
	for (i = 0; i < n; i++) {
		json_open('{');
		for (j = 0; j < t->ncol; j++) {
			json_key(t->columns[j].name);
			json_cell(&rows[i][j]);
		}
		json_close('}');
	}
	json_close(']');
}

static size_t choose(const struct table *t, size_t *shown)
{
	char *list, *rest, *word;
	size_t n = 0, i;

	if (!opt.columns) {
		for (i = 0; i < t->ncol; i++)
			if (!t->columns[i].hidden)
				shown[n++] = i;
		return n;
	}
	list = xasprintf("%s", opt.columns);
	for (rest = list; (word = strsep(&rest, ","));) {
		shown[n] = column(t, word);
		for (i = 0; i < n; i++)
			if (shown[i] == shown[n])
				usage("there is column \"%s\" twice", word);
		n++;
	}
	free(list);
	return n;
}

static void print_text(const struct table *t, struct cell **rows, size_t n)
{
	size_t shown[64], width[64], nshown = choose(t, shown), i, j;
	bool right[64];
	char buf[4096];

	for (j = 0; j < nshown; j++) {
		width[j] = opt.no_header ? 0 : strlen(t->columns[shown[j]].name);
		right[j] = false;
		for (i = 0; i < n; i++) {
			const struct cell *c = &rows[i][shown[j]];

			text(c, buf, sizeof(buf));
			if (strlen(buf) > width[j])
				width[j] = strlen(buf);
			right[j] |= c->kind != K_STR && c->kind != K_NULL;
		}
	}
	for (j = 0; !opt.no_header && j < nshown; j++) {
		const char *name = t->columns[shown[j]].name;
		size_t k;

		for (k = 0; name[k] && k < sizeof(buf) - 1; k++)
			buf[k] = name[k] >= 'a' && name[k] <= 'z' ?
				 name[k] - 32 : name[k];
		buf[k] = 0;
		fprintf(out, "%s%*s", j ? " " : "",
			right[j] ? (int)width[j] :
			j + 1 < nshown ? -(int)width[j] : 0, buf);
	}
	if (!opt.no_header)
		fputc('\n', out);
	for (i = 0; i < n; i++) {
		for (j = 0; j < nshown; j++) {
			text(&rows[i][shown[j]], buf, sizeof(buf));
			fprintf(out, "%s%*s", j ? " " : "",
				right[j] ? (int)width[j] :
				j + 1 < nshown ? -(int)width[j] : 0, buf);
		}
		fputc('\n', out);
	}
}

/* Mistakes on the command line are found before anything is printed */
void table_check(const struct table *t)
{
	const struct cell *c = t->cells;
	size_t shown[64], i, j;

	filters_make(t);
	for (i = 0; i < t->n; i++, c += t->ncol)
		for (j = 0; j < opt.nfilter; j++) {
			const struct filter *f = &filters[j];

			if (c[f->column].kind > K_STR && !f->is_regex &&
			    !f->is_num)
				usage("\"%s\" is not a number", f->val);
		}
	if (opt.sort)
		column(t, opt.sort);
	choose(t, shown);
}

void table_print(struct table *t, const char *sort, uint64_t limit)
{
	struct cell **rows = xrealloc(NULL, t->n, sizeof(*rows));
	size_t i, j, n = 0;

	filters_make(t);
	if (opt.sort)
		sort = opt.sort;
	for (i = 0; i < t->n; i++) {
		struct cell *row = t->cells + i * t->ncol;

		for (j = 0; j < opt.nfilter; j++)
			if (!matches(&filters[j], row))
				break;
		if (j == opt.nfilter)
			rows[n++] = row;
	}
	if (sort) {
		sort_column = column(t, sort);
		if (n)
			qsort(rows, n, sizeof(*rows), compare);
	}
	if (limit && n > limit)
		n = limit;
	if (opt.json)
		print_json(t, rows, n);
	else
		print_text(t, rows, n);
	filters_free();
	free(rows);
	free(t->cells);
	memset(&t->cells, 0, sizeof(*t) - offsetof(struct table, cells));
}
