// SPDX-License-Identifier: GPL-2.0
/* The list: format, columns, order, and where a read begins. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "common.h"

/* The tests rely on the parser, so it must reject malformed text */
TEST(parser_refuses)
{
	static const char head[] = LIST_HEAD_1 LIST_HEAD_2;
	static const char * const good[] = {
		"# end 0 0\n",
		"1 4096 1 0 02 81 7 sh system - -\n# end 1 4096\n",
		"1 1 1 0 0 81 7 - - - a\\040\\134\\377\n2 2 0 0 - 81 7 \\055 a b -a\n"
		"# end 2 3\n",
		"1 18446744073709551615 1 0 00 81 7 sh a - -\n"
		"2 2 1 0 02 81 7 sh a - -\n# end 2 1\n",
	};
	static const char * const bad[] = {
		"",
		"# end 1 0\n",
		"# end 0 1\n",
		"# end 0 0",
		"# end 0  0\n",
		"# end 00 0\n",
		"# end 0 0\n\n",
		"# end 0 0\n# end 0 0\n",
		"1 4096 1 0 02 81 7 sh system - -\n",
		"1 4096 1 0 02 81 7 sh system -\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - - -\n# end 1 4096\n",
		"1  4096 1 0 02 81 7 sh system - -\n# end 1 4096\n",
		" 1 4096 1 0 02 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - -\040\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system  -\n# end 1 4096\n",
		"0 4096 1 0 02 81 7 sh system - -\n# end 1 4096\n",
		"01 4096 1 0 02 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 -1 0 02 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 2 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 08 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 0x2 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 02 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 02 8.1 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 - 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 0 0 02 81 7 sh system - -\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\40\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\x20\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\101\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\055\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\000\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\\777\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - a\tb\n# end 1 4096\n",
		"1 4096 1 0 02 81 7 sh system - \303\244\n# end 1 4096\n",
		"2 1 1 0 02 81 7 sh a - -\n1 1 1 0 02 81 7 sh a - -\n# end 2 2\n",
		"1 1 1 0 02 81 7 sh a - -\n1 1 1 0 02 81 7 sh a - -\n# end 2 2\n",
	};
	struct text text;
	struct list list;
	char s[512];
	size_t i;

	text.s = s;
	for (i = 0; i < ARRAY_LEN(good); i++) {
		text.len = snprintf(s, sizeof(s), "%s%s", head, good[i]);
		EXPECT_EQ(NULL, list_fault(&text, &list)) {
			TH_LOG("refused: %s", good[i]);
		}
		list_free(&list);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		text.len = snprintf(s, sizeof(s), "%s%s", head, bad[i]);
		EXPECT_NE(NULL, list_fault(&text, &list)) {
			TH_LOG("taken: %s", bad[i]);
		}
		list_free(&list);
	}
	text.len = snprintf(s, sizeof(s), "# dmabufs 2\n%s# end 0 0\n",
			    LIST_HEAD_2);
	EXPECT_NE(NULL, list_fault(&text, &list));
	text.len = snprintf(s, sizeof(s), "%s# end 0 0\n", LIST_HEAD_1);
	EXPECT_NE(NULL, list_fault(&text, &list));
}

/* Header, rows and last line, with and without buffers */
TEST(format)
{
	struct list list;
	int fds[NR_EXPORTERS];
	int i;

	ASSERT_TRUE(list_read(&list));
	list_free(&list);
	for (i = 0; i < NR_EXPORTERS; i++)
		fds[i] = exporter_there(i) ? buffer_new(i, PAGE) : -1;
	ASSERT_TRUE(list_read(&list));
	EXPECT_LT(0, list.nr);
	list_free(&list);
	for (i = 0; i < NR_EXPORTERS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/*
 * Neither in hexadecimal, as %p prints them, nor in decimal. Only in this
 * process's row, as names set by others may look like anything.
 */
TEST(no_kernel_pointers)
{
	char begin[32], *row, *s;
	struct text text;
	int fd;

	fd = buffer_new(any_exporter(), PAGE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(text_read_path(LIST_PROC, &text));
	snprintf(begin, sizeof(begin), "\n%llu ", buffer_ino(fd));
	row = strstr(text.s, begin);
	ASSERT_NE(NULL, row);
	row = strtok(row, "\n");
	EXPECT_EQ(NULL, strstr(row, "0x"));
	EXPECT_EQ(NULL, strstr(row, "ffff"));
	for (s = row; *s; s += strcspn(s, " "), s += !!*s)
		EXPECT_GT(1ULL << 47, strtoull(s, NULL, 10));
	text_free(&text);
	close(fd);
}

BUFFER_FIXTURE(list, 2 * PAGE)

TEST_EXPORTER(list, columns)
{
	struct row *row = &self->row;
	char comm[16];

	prctl(PR_GET_NAME, comm);
	ASSERT_TRUE(row_of(self->fd, row));
	EXPECT_EQ(buffer_ino(self->fd), row->ino);
	EXPECT_EQ(2 * PAGE, row->size);
	EXPECT_EQ(1, row->refs);
	EXPECT_EQ(0, row->attached);
	EXPECT_EQ(fcntl(self->fd, F_GETFL), row->flags);
	EXPECT_EQ(getpid(), row->pid);
	EXPECT_STREQ(comm, row->comm);
	EXPECT_STREQ(exporter_name(variant->exporter), row->exporter);
	EXPECT_STREQ(exporter_module(variant->exporter), row->module);
	EXPECT_STREQ("", row->name);
}

static unsigned long long boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

TEST_EXPORTER(list, time_of_export)
{
	unsigned long long before, after;
	struct row row;
	int fd;

	before = boottime_ms();
	fd = buffer_new(variant->exporter, PAGE);
	after = boottime_ms();
	ASSERT_LE(0, fd);
	usleep(20000);
	ASSERT_TRUE(row_of(fd, &row));
	EXPECT_LE(before, row.time);
	EXPECT_GE(after, row.time);
	close(fd);
}

/* Start time of PID in ms of CLOCK_BOOTTIME, rounded down; field 22 of stat */
static unsigned long long start_ms(pid_t pid)
{
	unsigned long long ticks = 0;
	struct text text;
	char path[64], *s;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!text_read_path(path, &text))
		return 0;
	s = strrchr(text.s, ')');
	for (field = 2; s && field < 22; field++)
		s = strchr(s + 1, ' ');
	if (s)
		ticks = strtoull(s, NULL, 10);
	text_free(&text);
	return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

/* The time tells the exporting process from a later one with the same pid */
TEST_EXPORTER(list, time_and_pid_reuse)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid, again;
	int sock[2], fd;
	struct row row;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Not to outlive a test that fails or is killed */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sock[0]);
		fd = buffer_new(variant->exporter, PAGE);
		if (fd < 0 || send_fd(sock[1], fd))
			_exit(1);
		pause();
		_exit(0);
	}
	close(sock[1]);
	fd = receive_fd(sock[0]);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(row_of(fd, &row));
	EXPECT_EQ(pid, row.pid);
	EXPECT_LE(start_ms(pid), row.time);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));

	usleep(50000);
	args.set_tid = (uintptr_t)&pid;
	args.set_tid_size = 1;
	again = syscall(SYS_clone3, &args, sizeof(args));
	ASSERT_LE(0, again);
	if (!again) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	EXPECT_EQ(pid, again);
	ASSERT_TRUE(row_of(fd, &row));
	EXPECT_EQ(again, row.pid);
	EXPECT_GT(start_ms(again), row.time);
	kill(again, SIGKILL);
	waitpid(again, NULL, 0);
	close(fd);
}

/* The number joins the list with st_ino and with fdinfo */
TEST_EXPORTER(list, ino_joins)
{
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(self->ino, self->row.ino);
	EXPECT_EQ(self->ino, fdinfo_ino(self->fd));
}

TEST_EXPORTER(list, ino_ascends_and_is_never_reused)
{
	unsigned long long last = self->ino;
	int i, fd;

	for (i = 0; i < 300; i++) {
		fd = buffer_new(some_exporter(i), PAGE);
		ASSERT_LE(0, fd);
		ASSERT_LT(last, buffer_ino(fd));
		last = buffer_ino(fd);
		close(fd);
	}
}

/* Each descriptor, inherited or not, and each mapping holds a reference */
TEST_EXPORTER(list, refs)
{
	int sync[2], copy;
	char byte;
	void *map;
	pid_t pid;

	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(2, self->row.refs);
	close(copy);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(1, self->row.refs);

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(2, self->row.refs);
	munmap(map, PAGE);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(1, self->row.refs);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sync));
	pid = fork();
	if (!pid) {
		close(sync[0]);
		_exit(read(sync[1], &byte, 1));
	}
	close(sync[1]);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(2, self->row.refs);
	close(sync[0]);
	waitpid(pid, NULL, 0);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(1, self->row.refs);
}

/* As returned by fcntl(), which may also change them */
TEST_EXPORTER(list, flags_follow_the_file)
{
	int flags;

	flags = fcntl(self->fd, F_GETFL);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags | O_NONBLOCK));
	flags = fcntl(self->fd, F_GETFL);
	EXPECT_TRUE(flags & O_NONBLOCK);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(flags, self->row.flags);
}

/* Buffers with different flags in one listing */
TEST(flags_of_access_modes)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fds[ARRAY_LEN(modes)];
	const struct row *row;
	struct list list;
	size_t i;

	if (!exporter_there(SYSTEM))
		SKIP(return, "no such exporter here");
	for (i = 0; i < ARRAY_LEN(modes); i++) {
		fds[i] = buffer_new_flags(PAGE, modes[i] | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_TRUE(list_read(&list));
	for (i = 0; i < ARRAY_LEN(modes); i++) {
		row = list_find(&list, buffer_ino(fds[i]));
		ASSERT_NE(NULL, row);
		EXPECT_EQ(fcntl(fds[i], F_GETFL), row->flags);
		EXPECT_EQ(modes[i], row->flags & O_ACCMODE);
		close(fds[i]);
	}
	list_free(&list);
}

/* A second importer, even of the same device, is a second attachment */
TEST_EXPORTER(list, attached)
{
	unsigned int handle[2];
	int drm[2];

	drm[0] = drm_open("vkms");
	if (drm[0] < 0)
		SKIP(return, "no vkms to import into");
	drm[1] = drm_open("vkms");
	ASSERT_LE(0, drm[1]);

	ASSERT_EQ(0, drm_import(drm[0], self->fd, &handle[0]));
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(1, self->row.attached);
	EXPECT_LT(1, self->row.refs);
	ASSERT_EQ(0, drm_import(drm[1], self->fd, &handle[1]));
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(2, self->row.attached);

	drm_close_handle(drm[0], handle[0]);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(1, self->row.attached);
	close(drm[1]);
	ASSERT_TRUE(row_of(self->fd, &self->row));
	EXPECT_EQ(0, self->row.attached);
	EXPECT_EQ(1, self->row.refs);
	close(drm[0]);
}

struct thread {
	enum exporter exporter;
	int fd;
};

static void *exporting_thread(void *arg)
{
	struct thread *thread = arg;

	prctl(PR_SET_NAME, "worker");
	thread->fd = buffer_new(thread->exporter, PAGE);
	prctl(PR_SET_NAME, "other");
	return NULL;
}

/* The id of the thread group and the thread's name at the export */
TEST_EXPORTER(list, exporting_thread)
{
	struct thread thread = { .exporter = variant->exporter };
	pthread_t id;

	prctl(PR_SET_NAME, "leader");
	ASSERT_EQ(0, pthread_create(&id, NULL, exporting_thread, &thread));
	pthread_join(id, NULL);
	ASSERT_LE(0, thread.fd);
	prctl(PR_SET_NAME, "later");
	ASSERT_TRUE(row_of(thread.fd, &self->row));
	EXPECT_EQ(getpid(), self->row.pid);
	EXPECT_STREQ("worker", self->row.comm);
	close(thread.fd);
}

/* The allocating process, not the user, even after it has exited */
TEST_EXPORTER(list, exporting_child)
{
	int sock[2], fd, status;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "child");
		fd = buffer_new(variant->exporter, PAGE);
		_exit(fd < 0 || send_fd(sock[1], fd));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	fd = receive_fd(sock[0]);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(row_of(fd, &self->row));
	EXPECT_EQ(pid, self->row.pid);
	EXPECT_STREQ("child", self->row.comm);
	EXPECT_EQ(1, self->row.refs);
	close(fd);
}

/*
 * pid 1 of a namespace has another pid in the initial one, and that is what
 * readers in either namespace see. A user namespace makes no difference.
 */
TEST_EXPORTER(list, pid_namespace)
{
	int sock[2], fd, status;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	if (unshare(CLONE_NEWPID))
		SKIP(return, "no pid namespaces here");
	pid = fork();
	if (!pid) {
		fd = buffer_new(variant->exporter, PAGE);
		if (getpid() != 1 || fd < 0 || !row_of(fd, &self->row) ||
		    self->row.pid == 1)
			_exit(1);
		close(fd);
		/* The same in a user namespace, if there is support for it */
		if (unshare(CLONE_NEWUSER))
			ksft_print_msg("no user namespaces here\n");
		fd = buffer_new(variant->exporter, PAGE);
		_exit(fd < 0 || send_fd(sock[1], fd));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	fd = receive_fd(sock[0]);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(row_of(fd, &self->row));
	EXPECT_EQ(pid, self->row.pid);
	close(fd);
}

#define SPREAD	300

/* Enough buffers to fill several pages of text */
static bool spread(int *fds)
{
	int i;

	for (i = 0; i < SPREAD; i++) {
		fds[i] = buffer_new(some_exporter(i), PAGE);
		if (fds[i] < 0 ||
		    !buffer_set_name(fds[i], "over several pages"))
			return false;
	}
	return true;
}

static void spread_close(const int *fds)
{
	int i;

	for (i = 0; i < SPREAD; i++)
		close(fds[i]);
}

struct reading {
	const char *path;
	size_t chunk;
	off_t offset;
};

static bool read_chunks(void *arg, struct text *text)
{
	struct reading *reading = arg;
	int fd = open(reading->path, O_RDONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = text_read(fd, reading->chunk, text);
	close(fd);
	return ok;
}

/* Whether READ gives the list over several pages */
static bool gives_the_list(bool (*read)(void *arg, struct text *text),
			   struct reading *reading)
{
	struct text text, list;
	int fds[SPREAD];
	bool same;

	if (!spread(fds) || !snapshot_text(read, reading, &text, &list))
		return false;
	same = !strcmp(list.s, text.s);
	text_free(&text);
	text_free(&list);
	spread_close(fds);
	return same;
}

TEST(read_sizes_read_the_same)
{
	static const size_t chunks[] = { 1, 7, 64, 4095, 4096, 65536 };
	struct reading reading = { .path = LIST_PROC };
	size_t i;

	for (i = 0; i < ARRAY_LEN(chunks); i++) {
		reading.chunk = chunks[i];
		EXPECT_TRUE(gives_the_list(read_chunks, &reading));
	}
}

TEST(debugfs_says_the_same)
{
	struct reading reading = { .path = LIST_DEBUG, .chunk = 4096 };

	if (!mount_debugfs())
		SKIP(return, "no debugfs here");
	EXPECT_TRUE(gives_the_list(read_chunks, &reading));
}

/* Reads after the last line return nothing, even if repeated */
TEST(end_is_the_end)
{
	struct text text;
	char byte;
	int fd;

	fd = open(LIST_PROC, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(text_read(fd, 4096, &text));
	EXPECT_EQ(0, read(fd, &byte, 1));
	EXPECT_EQ(0, read(fd, &byte, 1));
	text_free(&text);
	close(fd);
}

/* A listing begins with its first read, not when the file is opened */
TEST_EXPORTER(list, begins_with_the_first_read)
{
	struct text text = { 0 };
	struct list list;
	int early, late, reader;

	reader = open(LIST_PROC, O_RDONLY);
	ASSERT_LE(0, reader);
	early = buffer_new(variant->exporter, PAGE);
	ASSERT_LE(0, early);

	ASSERT_EQ(1, text_append(reader, 1, &text));
	late = buffer_new(variant->exporter, PAGE);
	ASSERT_LE(0, late);
	ASSERT_TRUE(text_rest(reader, 64, &text));
	ASSERT_TRUE(list_parse(&text, &list));
	EXPECT_NE(NULL, list_find(&list, buffer_ino(self->fd)));
	EXPECT_NE(NULL, list_find(&list, buffer_ino(early)));
	EXPECT_EQ(NULL, list_find(&list, buffer_ino(late)));
	list_free(&list);
	text_free(&text);

	/* The next one has it */
	ASSERT_EQ(0, lseek(reader, 0, SEEK_SET));
	ASSERT_TRUE(text_read(reader, 64, &text));
	ASSERT_TRUE(list_parse(&text, &list));
	EXPECT_NE(NULL, list_find(&list, buffer_ino(late)));
	list_free(&list);
	text_free(&text);
	close(reader);
	close(early);
	close(late);
}

TEST_EXPORTER(list, seek_to_0_begins_anew)
{
	char some[300];
	struct text text;
	struct list list;
	int fd, reader;

	reader = open(LIST_PROC, O_RDONLY);
	ASSERT_LE(0, reader);
	ASSERT_LT(0, read(reader, some, sizeof(some)));
	fd = buffer_new(variant->exporter, PAGE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lseek(reader, 0, SEEK_SET));
	ASSERT_TRUE(text_read(reader, 7, &text));
	ASSERT_TRUE(list_parse(&text, &list));
	EXPECT_NE(NULL, list_find(&list, buffer_ino(fd)));
	EXPECT_NE(NULL, list_find(&list, buffer_ino(self->fd)));
	list_free(&list);
	text_free(&text);
	close(reader);
	close(fd);
}

/* One read at an offset */
static bool read_at(void *arg, struct text *text)
{
	struct reading *reading = arg;
	int fd = open(reading->path, O_RDONLY);
	ssize_t got = -1;

	text->s = calloc(1, reading->chunk + 1);
	if (text->s)
		got = pread(fd, text->s, reading->chunk, reading->offset);
	text->len = got;
	close(fd);
	return got >= 0;
}

/* One seek to an offset, then reads up to the end */
static bool seek_and_read(void *arg, struct text *text)
{
	struct reading *reading = arg;
	int fd = open(reading->path, O_RDONLY);
	char byte;
	bool ok;

	if (fd < 0)
		return false;
	ok = read(fd, &byte, 1) == 1 &&
	     lseek(fd, reading->offset, SEEK_SET) == reading->offset &&
	     text_read(fd, reading->chunk, text);
	close(fd);
	return ok;
}

TEST(other_offsets)
{
	static const char * const paths[] = { LIST_PROC, LIST_DEBUG };
	struct text text, list;
	int fds[SPREAD];
	off_t offset, end;
	size_t i, len;

	ASSERT_TRUE(spread(fds));
	ASSERT_TRUE(text_read_path(LIST_PROC, &list));
	/* Others may release a few */
	end = list.len - 1000;
	text_free(&list);
	ASSERT_LT(8192, end);
	for (i = 0; i < ARRAY_LEN(paths); i++) {
		struct reading reading = { .path = paths[i], .chunk = 100 };

		if (access(paths[i], F_OK))
			continue;
		for (offset = 0; offset < end; offset += 1237) {
			reading.offset = offset;
			ASSERT_TRUE(snapshot_text(read_at, &reading, &text,
						  &list));
			ASSERT_LT((size_t)offset, list.len);
			len = list.len - offset;
			if (len > reading.chunk)
				len = reading.chunk;
			EXPECT_LT(0, text.len);
			EXPECT_GE(len, text.len);
			EXPECT_EQ(0, memcmp(list.s + offset, text.s,
					    text.len));
			text_free(&text);
			text_free(&list);

			ASSERT_TRUE(snapshot_text(seek_and_read, &reading,
						  &text, &list));
			EXPECT_STREQ(list.s + offset, text.s);
			text_free(&text);
			text_free(&list);
		}
	}
	spread_close(fds);
}

TEST(offsets_beyond_the_end)
{
	char byte;
	int fd;

	fd = open(LIST_PROC, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pread(fd, &byte, 1, 1LL << 40));
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	/* ... and none of that harms what follows */
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(1, read(fd, &byte, 1));
	EXPECT_EQ('#', byte);
	close(fd);
}

/* Two independent readers, taking turns at different paces */
static bool read_in_turns(void *arg, struct text *text)
{
	struct reading *reading = arg;
	int fds[2] = {
		open(reading->path, O_RDONLY), open(reading->path, O_RDONLY)
	};
	struct text slow = { 0 };
	ssize_t got[2];
	bool ok;

	memset(text, 0, sizeof(*text));
	do {
		got[0] = text_append(fds[0], 13, &slow);
		got[1] = text_append(fds[1], 500, text);
	} while (got[0] >= 0 && got[1] >= 0 && got[0] + got[1]);
	ok = !got[0] && !got[1] && !strcmp(slow.s, text->s);
	text_free(&slow);
	close(fds[0]);
	close(fds[1]);
	return ok;
}

TEST(two_readers)
{
	struct reading reading = { .path = LIST_PROC };

	EXPECT_TRUE(gives_the_list(read_in_turns, &reading));
}

/*
 * Two descriptors of one open file share its position and thus the listing:
 * what they read in turns forms one listing.
 */
static bool read_shared(void *arg, struct text *text)
{
	struct reading *reading = arg;
	int fds[2], i = 0;
	ssize_t got;

	memset(text, 0, sizeof(*text));
	fds[0] = open(reading->path, O_RDONLY);
	fds[1] = dup(fds[0]);
	do {
		got = text_append(fds[i % 2], i % 2 ? 17 : 333, text);
		i++;
	} while (got > 0);
	close(fds[0]);
	close(fds[1]);
	return text->len && !got;
}

TEST(two_readers_of_one_open_file)
{
	struct reading reading = { .path = LIST_PROC };

	EXPECT_TRUE(gives_the_list(read_shared, &reading));
}

TEST_HARNESS_MAIN
