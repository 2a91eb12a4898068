// SPDX-License-Identifier: GPL-2.0
/*
 * The output, and JSON. Own JSON because libraries keep the whole document in
 * memory, and a static program for a guest or an initramfs is wanted. Strings
 * are escaped on the way in, so that nothing here depends on the locale.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

FILE *out;

static struct whole output;
static bool comma;

/* A file that is replaced when all is written; a link stays, and a device */
FILE *whole_open(struct whole *w, const char *path)
{
	struct stat st;
	int fd;

	w->path = realpath(path, NULL) ?: xasprintf("%s", path);
	if (!stat(w->path, &st) && !S_ISREG(st.st_mode))
		die("%s: not a regular file, so it cannot be replaced", path);
	w->tmp = xasprintf("%s.XXXXXX", w->path);
	fd = temporary(w->tmp, false);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	w->file = fdopen(fd, "w");
	if (!w->file)
		die("%s: %m", path);
	return w->file;
}

/* What went wrong earlier is not known any more */
static const char *write_error(void)
{
	return errno ? strerror(errno) : "cannot write; is the disk full?";
}

void whole_close(struct whole *w)
{
	bool bad = ferror(w->file);

	errno = 0;
	if (fflush(w->file) || bad || fchmod(fileno(w->file), 0644) ||
	    fclose(w->file) || rename(w->tmp, w->path))
		die("%s: %s", w->path, write_error());
	keep(w->tmp);
	free(w->tmp);
	free(w->path);
}

void out_open(const char *path)
{
	out = path ? whole_open(&output, path) : stdout;
}

int out_close(int status)
{
	bool bad = ferror(out);

	if (out != stdout) {
		whole_close(&output);
		return status;
	}
	errno = 0;
	if (!fflush(out) && !bad)
		return status;
	if (errno != EPIPE)
		die("standard output: %s", write_error());
	/* the reader has gone: not an error worth a word */
	stop = 1;
	return status;
}

void human(char *buf, size_t size, uint64_t bytes)
{
	static const char * const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	uint64_t unit = 1;
	int i = 0;

	while (i < 6 && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	if (opt.bytes)
		snprintf(buf, size, "%" PRIu64, bytes);
	else if (bytes % unit == 0 || bytes / unit >= 100)
		snprintf(buf, size, "%" PRIu64 " %s", bytes / unit, units[i]);
	else
		/* not %f, which has a comma in some locales */
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit,
			 bytes % unit / (unit / 1024) * 10 / 1024, units[i]);
}

void json_open(char c)
{
	if (comma)
		fputc(',', out);
	fputc(c, out);
	comma = false;
}

void json_close(char c)
{
	fputc(c, out);
	comma = true;
}

void json_str(const char *s)
{
	if (!s) {
		json_null();
		return;
	}
	if (comma)
		fputc(',', out);
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\\\%03o", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
	comma = true;
}

void json_key(const char *key)
{
	json_str(key);
	fputc(':', out);
	comma = false;
}

void json_u64(uint64_t v)
{
	fprintf(out, "%s%" PRIu64, comma ? "," : "", v);
	comma = true;
}

void json_null(void)
{
	fprintf(out, "%snull", comma ? "," : "");
	comma = true;
}

void json_bool(bool v)
{
	fprintf(out, "%s%s", comma ? "," : "", v ? "true" : "false");
	comma = true;
}

void json_cell(const struct cell *c)
{
	if (c->kind == K_NULL)
		json_null();
	else if (c->kind == K_STR)
		json_str(c->str);
	else if (c->kind == K_DELTA)
		fprintf(out, "%s%" PRId64, comma ? "," : "", (int64_t)c->num);
	else
		json_u64(c->num);
	comma = true;
}

void json_head(struct snap *s, const char *command)
{
	struct timespec ts;
	uint64_t time;
	size_t i;

	json_open('{');
	json_key("schema");
	json_u64(1);
	json_key("command");
	json_str(command);
	json_key("source");
	json_str(s->source ? source_name(s->source) : "stats");
	json_key("complete");
	json_bool(!s->incomplete);
	json_key("unreadable_processes");
	if (s->walk_done)
		json_u64(s->unreadable);
	else
		json_null();
	json_key("boot_id");
	json_str(s->boot_id);
	clock_gettime(CLOCK_REALTIME, &ts);
	json_key("time");
	if (root_live)
		json_u64(ts.tv_sec * 1000ull + ts.tv_nsec / 1000000);
	else if (rec_value("time") && parse_u64(rec_value("time"), 10, &time))
		json_u64(time);
	else
		json_null();
	json_key("notes");
	json_open('[');
	for (i = 0; i < s->nnotes; i++)
		json_str(s->notes[i]);
	json_close(']');
}

void json_tail(void)
{
	json_close('}');
	fputc('\n', out);
	comma = false;
}
