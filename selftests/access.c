// SPDX-License-Identifier: GPL-2.0
/* Access rights of each file, and the files that are gone. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "common.h"

#define CAP(cap)	(1ULL << (cap))

static int mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) || st.st_uid || st.st_gid ? -1 : (int)st.st_mode;
}

TEST(counter_modes)
{
	EXPECT_EQ(S_IFREG | 0444, mode_of(STATS_DIR "nr_buffers"));
	EXPECT_EQ(S_IFREG | 0444, mode_of(STATS_DIR "bytes"));
	if (!peak_there())
		SKIP(return, "no peak on this kernel");
	EXPECT_EQ(S_IFREG | 0644, mode_of(STATS_DIR "peak_bytes"));
	EXPECT_EQ(S_IFREG | 0444, mode_of(STATS_DIR "nr_exported"));
	EXPECT_EQ(S_IFREG | 0444, mode_of(STATS_DIR "bytes_exported"));
}

/* Root may open files regardless of the mode, but sysfs still refuses */
TEST(counters_are_not_written)
{
	static const char * const files[] = {
		"nr_buffers", "bytes", "nr_exported", "bytes_exported"
	};
	char path[64];
	size_t i;

	for (i = 0; i < (peak_there() ? ARRAY_LEN(files) : 2); i++) {
		snprintf(path, sizeof(path), STATS_DIR "%s", files[i]);
		EXPECT_EQ(-1, open(path, O_WRONLY));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(-1, open(path, O_RDWR));
		EXPECT_EQ(EACCES, errno);
	}
}

static bool peak_refused(void)
{
	return !peak_there() || (peak_write("0", 1) < 0 && errno == EACCES);
}

/* World-readable, as the sizes were; only root resets */
static int nobody_counts(void *arg)
{
	struct counters c;

	(void)arg;
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	if (!counters_read(&c))
		return 2;
	return peak_refused() ? 0 : 3;
}

TEST(anybody_may_count)
{
	EXPECT_EQ(0, run_child(nobody_counts, NULL));
}

/* As root of a user namespace */
static int namespace_counts(void *arg)
{
	struct counters c;

	(void)arg;
	if (setresuid(NOBODY, NOBODY, NOBODY) || unshare(CLONE_NEWUSER))
		return KSFT_SKIP;
	if (!counters_read(&c))
		return 2;
	return peak_refused() ? 0 : 3;
}

TEST(namespace_root_may_count)
{
	int ret = run_child(namespace_counts, NULL);

	if (ret == KSFT_SKIP)
		SKIP(return, "no user namespaces here");
	EXPECT_EQ(0, ret);
}

/* The directories are gone, and no buffer brings them back */
TEST(no_directory_per_buffer)
{
	int i, fd;

	for (i = 0; i < NR_EXPORTERS; i++) {
		if (!exporter_there(i))
			continue;
		fd = buffer_new(i, PAGE);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-1, access("/sys/kernel/dmabuf/buffers", F_OK));
		EXPECT_EQ(ENOENT, errno);
		close(fd);
	}
}

FIXTURE(list_access)
{
};

FIXTURE_VARIANT(list_access)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(list_access, procfs) { .path = LIST_PROC };
FIXTURE_VARIANT_ADD(list_access, debugfs) { .path = LIST_DEBUG };

FIXTURE_SETUP(list_access)
{
}

FIXTURE_TEARDOWN(list_access)
{
}

/* The debugfs file may be missing, the procfs file must exist */
static bool file_there(const char *path)
{
	return strcmp(path, LIST_DEBUG) || mount_debugfs();
}

struct opener {
	const char *path;
	unsigned long long caps;
	uid_t uid;
};

/* Returns 0 if the file can be read, otherwise the errno of open() */
static int open_as(void *arg)
{
	struct opener *opener = arg;
	char byte;
	int fd;

	if (opener->uid &&
	    (prctl(PR_SET_KEEPCAPS, 1) ||
	     setresgid(NOBODY, NOBODY, NOBODY) ||
	     setresuid(opener->uid, opener->uid, opener->uid)))
		return 255;
	if (!set_caps(opener->caps))
		return 254;
	fd = open(opener->path, O_RDONLY);
	if (fd < 0)
		return errno;
	return read(fd, &byte, 1) == 1 ? 0 : 253;
}

static int open_with(const char *path, uid_t uid, unsigned long long caps)
{
	struct opener opener = { .path = path, .uid = uid, .caps = caps };

	return run_child(open_as, &opener);
}

TEST_F(list_access, mode)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(S_IFREG | 0400, mode_of(variant->path));
}

TEST_F(list_access, nobody)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(EACCES, open_with(variant->path, NOBODY, 0));
}

/* The capability does not replace the mode ... */
TEST_F(list_access, nobody_with_perfmon)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(EACCES, open_with(variant->path, NOBODY,
				    CAP(CAP_PERFMON) | CAP(CAP_SYS_ADMIN)));
}

/* ... and overriding the mode does not replace the capability */
TEST_F(list_access, nobody_beyond_the_mode)
{
	unsigned long long caps = CAP(CAP_DAC_READ_SEARCH) |
				  CAP(CAP_DAC_OVERRIDE);

	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(EACCES, open_with(variant->path, NOBODY, caps));
	caps |= CAP(CAP_PERFMON);
	EXPECT_EQ(0, open_with(variant->path, NOBODY, caps));
}

TEST_F(list_access, root_without_capabilities)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(EACCES, open_with(variant->path, 0, 0));
}

/* All others together are not enough */
TEST_F(list_access, root_without_perfmon_and_sys_admin)
{
	unsigned long long caps = 0;
	unsigned int cap;

	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	for (cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		caps |= CAP(cap);
	caps &= ~(CAP(CAP_PERFMON) | CAP(CAP_SYS_ADMIN));
	EXPECT_EQ(EACCES, open_with(variant->path, 0, caps));
}

TEST_F(list_access, root_with_perfmon)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(0, open_with(variant->path, 0, CAP(CAP_PERFMON)));
}

TEST_F(list_access, root_with_sys_admin)
{
	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	EXPECT_EQ(0, open_with(variant->path, 0, CAP(CAP_SYS_ADMIN)));
}

/* Only open() is checked: an open file can be passed on and read */
struct handed {
	int fd;
	size_t rows;
};

static int read_handed(void *arg)
{
	struct handed *handed = arg;
	struct text text;
	struct list list;

	if (setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	if (!text_read(handed->fd, 4096, &text) || !list_parse(&text, &list))
		return 2;
	return list.nr < handed->rows ? 3 : 0;
}

TEST_F(list_access, handed_to_nobody)
{
	struct handed handed = { .rows = 1 };
	int buffer;

	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	buffer = buffer_new(any_exporter(), PAGE);
	ASSERT_LE(0, buffer);
	handed.fd = open(variant->path, O_RDONLY);
	ASSERT_LE(0, handed.fd);
	EXPECT_EQ(0, run_child(read_handed, &handed));
	close(handed.fd);
	close(buffer);
}

/* Nothing can be written, whether open() or write() refuses it */
TEST_F(list_access, read_only)
{
	struct list list;
	int fd;

	if (!file_there(variant->path))
		SKIP(return, "no debugfs here");
	fd = open(variant->path, O_WRONLY);
	if (fd >= 0) {
		EXPECT_EQ(-1, write(fd, "0", 1));
		close(fd);
	}
	fd = open(variant->path, O_RDWR | O_TRUNC);
	if (fd >= 0) {
		EXPECT_EQ(-1, write(fd, "0", 1));
		close(fd);
	}
	ASSERT_TRUE(list_read(&list));
	list_free(&list);
}

/* As root of new namespaces, with a procfs of their own */
static int open_in_namespaces(void *arg)
{
	int status;
	pid_t pid;

	(void)arg;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
		return KSFT_SKIP;
	if (!text_put("/proc/self/setgroups", "deny") ||
	    !text_put("/proc/self/uid_map", "0 0 1") ||
	    !text_put("/proc/self/gid_map", "0 0 1"))
		return 1;
	pid = fork();
	if (!pid) {
		if (getuid() || getpid() != 1)
			_exit(2);
		if (open(LIST_PROC, O_RDONLY) >= 0)
			_exit(3);
		if (errno != EACCES)
			_exit(4);
		if (mount("none", "/proc", "proc", 0, NULL))
			_exit(5);
		if (mode_of(LIST_PROC) != (S_IFREG | 0400))
			_exit(6);
		if (open(LIST_PROC, O_RDONLY) >= 0)
			_exit(7);
		_exit(errno == EACCES ? 0 : 8);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 9;
	return WEXITSTATUS(status);
}

TEST(root_of_a_user_namespace)
{
	int ret = run_child(open_in_namespaces, NULL);

	if (ret == KSFT_SKIP)
		SKIP(return, "no user namespaces here");
	EXPECT_EQ(0, ret);
}

/* Who may open what: the table of the admin guide, cell by cell */
enum who { ANYBODY, NAMESPACE_ROOT, BARE_ROOT, ROOT, NR_WHO };

static const char * const whose[NR_WHO] = {
	"anybody", "root of a user namespace", "root without the capability",
	"root"
};

static const char own_fdinfo[] = "/proc/self/fdinfo/FD";
static const char parents_fdinfo[] = "/proc/PARENT/fdinfo/FD";

static const struct cell {
	const char *path;
	int flags, expected[NR_WHO];
} cells[] = {
	{ STATS_DIR "bytes", O_RDONLY, { 0 } },
	{ STATS_DIR "peak_bytes", O_RDONLY, { 0 } },
	{ STATS_DIR "peak_bytes", O_WRONLY, { EACCES, EACCES } },
	{ LIST_PROC, O_RDONLY, { EACCES, EACCES, EACCES } },
	{ LIST_DEBUG, O_RDONLY, { EACCES, EACCES, EACCES } },
	{ BUFINFO, O_RDONLY, { EACCES, EACCES } },
	{ own_fdinfo, O_RDONLY, { 0 } },
	{ parents_fdinfo, O_RDONLY, { EACCES, EACCES, EACCES } },
};

/* No errno */
#define NO_NAMESPACES	254

struct attempt {
	const struct cell *cell;
	enum who who;
	int buffer;
};

static int open_cell(void *arg)
{
	struct attempt *attempt = arg;
	const char *path = attempt->cell->path;
	char fdinfo[64];

	if (path == own_fdinfo)
		snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d",
			 attempt->buffer);
	else if (path == parents_fdinfo)
		snprintf(fdinfo, sizeof(fdinfo), "/proc/%d/fdinfo/%d",
			 getppid(), attempt->buffer);
	if (path == own_fdinfo || path == parents_fdinfo)
		path = fdinfo;
	switch (attempt->who) {
	case ANYBODY:
	case NAMESPACE_ROOT:
		if (setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			return 255;
		if (attempt->who == NAMESPACE_ROOT && unshare(CLONE_NEWUSER))
			return NO_NAMESPACES;
		break;
	case BARE_ROOT:
		if (!set_caps(0))
			return 253;
		break;
	default:
		break;
	}
	return open(path, attempt->cell->flags) < 0 ? errno : 0;
}

TEST(table_of_the_guide)
{
	struct attempt attempt;
	size_t i;
	int ret;

	if (!mount_debugfs())
		SKIP(return, "no debugfs here");
	attempt.buffer = buffer_new(any_exporter(), PAGE);
	ASSERT_LE(0, attempt.buffer);
	for (i = 0; i < ARRAY_LEN(cells); i++) {
		attempt.cell = &cells[i];
		for (attempt.who = 0; attempt.who < NR_WHO; attempt.who++) {
			ret = run_child(open_cell, &attempt);
			if (ret == NO_NAMESPACES) {
				ksft_print_msg("no user namespaces here\n");
				continue;
			}
			EXPECT_EQ(cells[i].expected[attempt.who], ret) {
				TH_LOG("%s by %s", cells[i].path,
				       whose[attempt.who]);
			}
		}
	}
	close(attempt.buffer);
}

TEST_HARNESS_MAIN
