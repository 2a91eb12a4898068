// SPDX-License-Identifier: GPL-2.0
/* Names and commands cannot forge a field or a row, whatever they contain. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

static const char * const hostile[] = {
	"plain", "-", "--", " ", "  ", "\n", "\t", "\\", "\\040", "\\\\", "a b",
	" a", "a ", "a\nb", "a\tb", "a\rb", "\r\n", "# end", "# end 0 0",
	"\n# end 0 0\n", "x\n# dmabufs 1\n", "\033[2J", "\177", "\001\002\003",
	"%s%n%x", "\"'`$(reboot)", "x\nsize:\t0\nino:\t7",
	"\n7 4096 1 0 02 81 1 sh drm - -\n", "\303\244\342\202\254\360\237\220\247",
	"\200\377\376", "-\n", "\\055", "AHardwareBuffer pid [4860]",
	"1234567890123456789012345678901", "                               ",
	"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
	"\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
	"\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377",
};

/* A name as fdinfo and bufinfo escape it: control bytes and backslashes */
static void escape_control(const char *name, char *out)
{
	for (; *name; name++) {
		unsigned char c = *name;

		if (c < ' ' || c == 0x7f || c == '\\')
			out += sprintf(out, "\\%03o", c);
		else
			*out++ = c;
	}
	*out = '\0';
}

static const char *fault_of_name(int fd, const char *name)
{
	char expected[4 * NAME_MAX_LEN + 1], *fields[7], *line, *end;
	struct text text;
	struct row row;
	int nr = 0;

	if (!buffer_set_name(fd, name))
		return "not set";
	if (!row_of(fd, &row))
		return "not in the list";
	if (strcmp(row.name, name))
		return "changed by the list";

	escape_control(name, expected);
	if (!fdinfo_read(fd, &text))
		return "no fdinfo";
	for (line = text.s; *line; line = end + 1) {
		end = strchrnul(line, '\n');
		if (!*end)
			return "cut in fdinfo";
		*end = '\0';
		nr++;
		if (!strncmp(line, "name:\t", 6) && strcmp(line + 6, expected))
			return "differs in fdinfo";
		if (!strncmp(line, "ino:\t", 5) &&
		    strtoull(line + 5, NULL, 10) != row.ino)
			return "forges a field of fdinfo";
	}
	text_free(&text);
	/* pos flags mnt_id ino size count exp_name name */
	if (nr != 8)
		return "adds lines to fdinfo";

	if (access(BUFINFO, F_OK))
		return NULL;
	if (!bufinfo_row(row.ino, fields, &text))
		return "not in bufinfo";
	if (strcmp(fields[6], expected))
		return "differs in bufinfo";
	text_free(&text);
	return NULL;
}

BUFFER_FIXTURE(names, PAGE)

/* The list gives back each name as it was set; other files escape it */
TEST_EXPORTER(names, hostile)
{
	const char *fault;
	size_t i;

	for (i = 0; i < ARRAY_LEN(hostile); i++) {
		fault = fault_of_name(self->fd, hostile[i]);
		EXPECT_EQ(NULL, fault) {
			TH_LOG("name %zu: %s", i, fault);
		}
	}
}

/* Each byte at the beginning, in the middle, at the end and on its own */
TEST_EXPORTER_TIMEOUT(names, every_byte, 180)
{
	char name[4][8];
	const char *fault;
	int i, byte;

	for (byte = 1; byte < 256; byte++) {
		sprintf(name[0], "%c", byte);
		sprintf(name[1], "%cab", byte);
		sprintf(name[2], "a%cb", byte);
		sprintf(name[3], "ab%c", byte);
		for (i = 0; i < 4; i++) {
			fault = fault_of_name(self->fd, name[i]);
			EXPECT_EQ(NULL, fault) {
				TH_LOG("byte %d at %d: %s", byte, i, fault);
			}
		}
	}
}

/* All 255 of them, in names as long as they may be */
TEST_EXPORTER(names, all_bytes)
{
	char name[NAME_MAX_LEN + 1];
	const char *fault;
	int i, byte = 1;

	while (byte < 256) {
		for (i = 0; i < NAME_MAX_LEN && byte < 256; i++)
			name[i] = byte++;
		name[i] = '\0';
		fault = fault_of_name(self->fd, name);
		EXPECT_EQ(NULL, fault) {
			TH_LOG("bytes up to %d: %s", byte - 1, fault);
		}
	}
}

/* Any bytes of any length, even too long; half of the bytes are special */
static void random_bytes(unsigned int *seed, char *bytes, size_t len)
{
	static const char nasty[] = "\\\n\t -#0\177\033";
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = rand_r(seed) % 2 ? rand_r(seed) :
			   nasty[rand_r(seed) % sizeof(nasty)];
	bytes[len] = '\0';
}

TEST_EXPORTER_TIMEOUT(names, random_bytes, 36000)
{
	char bytes[2 * NAME_MAX_LEN + 4], old[NAME_MAX_LEN + 1] = "";
	unsigned int nr = inputs(500), random = seed(), i, refused = 0;
	const char *fault;
	struct row row;

	for (i = 0; i < nr; i++) {
		random_bytes(&random, bytes, i % (sizeof(bytes) - 1));
		if (strlen(bytes) <= NAME_MAX_LEN) {
			fault = fault_of_name(self->fd, bytes);
			memcpy(old, bytes, sizeof(old));
		} else {
			refused++;
			fault = buffer_set_name(self->fd, bytes) ?
				"too long, and taken" : NULL;
			if (!row_of(self->fd, &row) || strcmp(row.name, old))
				fault = "refused, and the old one is gone";
		}
		ASSERT_EQ(NULL, fault) {
			TH_LOG("input %u: %s", i, fault);
		}
	}
	ksft_print_msg("%u names tried, %u of them too long\n", nr, refused);
	EXPECT_LT(0, refused);
}

/* Set, changed, emptied: the current name is shown */
TEST_EXPORTER(names, changed_and_emptied)
{
	char begin[32], *end;
	struct text text;
	struct row row;

	ASSERT_TRUE(buffer_set_name(self->fd, "first"));
	ASSERT_TRUE(row_of(self->fd, &row));
	EXPECT_STREQ("first", row.name);
	ASSERT_TRUE(buffer_set_name(self->fd, "second"));
	ASSERT_TRUE(row_of(self->fd, &row));
	EXPECT_STREQ("second", row.name);
	ASSERT_TRUE(buffer_set_name(self->fd, ""));
	ASSERT_TRUE(row_of(self->fd, &row));
	EXPECT_STREQ("", row.name);

	/* An empty field is "-", so the row ends with that */
	ASSERT_TRUE(text_read_path(LIST_PROC, &text));
	snprintf(begin, sizeof(begin), "\n%llu ", self->ino);
	end = strstr(text.s, begin);
	ASSERT_NE(NULL, end);
	end = strchr(end + 1, '\n');
	ASSERT_NE(NULL, end);
	EXPECT_EQ(0, strncmp(end - 2, " -", 2));
	text_free(&text);
}

/* A name that is too long is refused, and the old one stays */
TEST_EXPORTER(names, too_long)
{
	struct row row;

	ASSERT_TRUE(buffer_set_name(self->fd, "old"));
	EXPECT_FALSE(buffer_set_name(self->fd,
				     "12345678901234567890123456789012"));
	ASSERT_TRUE(row_of(self->fd, &row));
	EXPECT_STREQ("old", row.name);
}

/* The name of the exporting task is escaped, too */
TEST_EXPORTER(names, hostile_commands)
{
	char set[16], comm[16];
	struct row row;
	size_t i;
	int fd;

	prctl(PR_GET_NAME, comm);
	for (i = 0; i < ARRAY_LEN(hostile) + 1; i++) {
		snprintf(set, sizeof(set), "%s",
			 i < ARRAY_LEN(hostile) ? hostile[i] : "");
		ASSERT_EQ(0, prctl(PR_SET_NAME, set));
		fd = buffer_new(variant->exporter, PAGE);
		ASSERT_LE(0, fd);
		prctl(PR_SET_NAME, comm);
		ASSERT_TRUE(row_of(fd, &row));
		EXPECT_STREQ(set, row.comm);
		EXPECT_EQ(getpid(), row.pid);
		close(fd);
	}
}

/* Many hostile rows in one listing; the parser counts them */
TEST_EXPORTER(names, hostile_list)
{
	int fds[2 * ARRAY_LEN(hostile)];
	const struct row *row;
	struct list list;
	size_t i;

	for (i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = buffer_new(variant->exporter, PAGE);
		ASSERT_LE(0, fds[i]);
		ASSERT_TRUE(buffer_set_name(fds[i], hostile[i / 2]));
	}
	ASSERT_TRUE(list_read(&list));
	for (i = 0; i < ARRAY_LEN(fds); i++) {
		row = list_find(&list, buffer_ino(fds[i]));
		ASSERT_NE(NULL, row);
		EXPECT_STREQ(hostile[i / 2], row->name);
		close(fds[i]);
	}
	list_free(&list);
}

static const char * const forms[2] = {
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\n\n\n\n\n"
};

struct renamer {
	int fd;
	bool stop;
};

static void *rename_again(void *arg)
{
	struct renamer *renamer = arg;
	size_t i;

	for (i = 0; !__atomic_load_n(&renamer->stop, __ATOMIC_RELAXED); i++)
		buffer_set_name(renamer->fd, forms[i % 2]);
	return NULL;
}

/* Renamed while listed: one name or the other, never a mixture */
TEST_EXPORTER(names, renamed_meanwhile)
{
	struct renamer renamer = { .fd = self->fd };
	pthread_t thread;
	struct row row;
	int i;

	ASSERT_TRUE(buffer_set_name(self->fd, forms[0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, rename_again, &renamer));
	for (i = 0; i < 1000; i++) {
		if (!row_of(self->fd, &row) ||
		    (strcmp(row.name, forms[0]) && strcmp(row.name, forms[1])))
			break;
	}
	__atomic_store_n(&renamer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(1000, i);
}

/* Fields and order of fdinfo and bufinfo are unchanged, newest first */
TEST_EXPORTER(names, older_interfaces)
{
	unsigned long long ino = 0, size = 0;
	char *fields[7], exp_name[16] = "";
	struct text text;
	long count = 0;
	char *first, *second;
	int nr, fd, used = 0;

	ASSERT_TRUE(buffer_set_name(self->fd, "older"));
	ASSERT_TRUE(fdinfo_read(self->fd, &text));
	nr = sscanf(text.s,
		    "pos:\t0\nflags:\t%*o\nmnt_id:\t%*d\nino:\t%llu\nsize:\t%llu\ncount:\t%ld\nexp_name:\t%15s\nname:\tolder\n%n",
		    &ino, &size, &count, exp_name, &used);
	ASSERT_EQ(4, nr);
	EXPECT_EQ(text.len, (size_t)used);
	EXPECT_EQ(self->ino, ino);
	EXPECT_EQ(PAGE, size);
	EXPECT_EQ(1, count);
	EXPECT_STREQ(exporter_name(variant->exporter), exp_name);
	text_free(&text);

	if (access(BUFINFO, F_OK))
		return;
	ASSERT_TRUE(bufinfo_row(ino, fields, &text));
	EXPECT_EQ(PAGE, strtoull(fields[0], NULL, 10));
	EXPECT_EQ(8, strlen(fields[0]));
	EXPECT_EQ(1, strtol(fields[3], NULL, 10));
	EXPECT_STREQ(exp_name, fields[4]);
	EXPECT_STREQ("older", fields[6]);
	text_free(&text);

	fd = buffer_new(variant->exporter, PAGE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(buffer_set_name(fd, "newer"));
	ASSERT_TRUE(text_read_path(BUFINFO, &text));
	first = strstr(text.s, "\tnewer\n");
	second = strstr(text.s, "\tolder\n");
	EXPECT_NE(NULL, first);
	EXPECT_NE(NULL, second);
	EXPECT_LT(first, second);
	text_free(&text);
	ASSERT_TRUE(buffer_set_name(fd, ""));
	close(fd);

	/* A buffer without a name */
	fd = buffer_new(variant->exporter, PAGE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(bufinfo_row(buffer_ino(fd), fields, &text));
	EXPECT_STREQ("<none>", fields[6]);
	text_free(&text);
	ASSERT_TRUE(fdinfo_read(fd, &text));
	EXPECT_EQ(NULL, strstr(text.s, "name:\tolder"));
	EXPECT_EQ(NULL, strstr(text.s, "\nname:"));
	text_free(&text);
	close(fd);
}

TEST_HARNESS_MAIN
