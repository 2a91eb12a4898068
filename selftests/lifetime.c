// SPDX-License-Identifier: GPL-2.0
/* No hidden memory: buffers are counted and listed exactly until release. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "common.h"

BUFFER_FIXTURE(lifetime, 8 * PAGE)

TEST_EXPORTER(lifetime, gone_once_closed)
{
	EXPECT_TRUE(exact(1, 8 * PAGE));
	close(self->fd);
	EXPECT_FALSE(row_find(self->ino, &self->row));
	EXPECT_TRUE(exact(0, 0));
}

/* An O_PATH descriptor keeps the memory of a buffer whose file is closed */
TEST_EXPORTER(lifetime, closed_but_held)
{
	int held;

	ASSERT_TRUE(buffer_set_name(self->fd, "held"));
	held = open_path_only(self->fd);
	ASSERT_LE(0, held);

	/* No reference to the file */
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(1, self->row.refs);

	close(self->fd);
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(8 * PAGE, self->row.size);
	EXPECT_EQ(0, self->row.refs);
	EXPECT_EQ(-1, self->row.flags);
	EXPECT_EQ(0, self->row.attached);
	EXPECT_EQ(getpid(), self->row.pid);
	EXPECT_STREQ(exporter_name(variant->exporter), self->row.exporter);
	EXPECT_STREQ("held", self->row.name);
	EXPECT_TRUE(exact(1, 8 * PAGE));

	close(held);
	EXPECT_FALSE(row_find(self->ino, &self->row));
	EXPECT_TRUE(exact(0, 0));
}

/* The memory of a closed buffer's file may be reused */
TEST_EXPORTER(lifetime, file_is_another_s)
{
	int files[64], held, i;

	held = open_path_only(self->fd);
	ASSERT_LE(0, held);
	close(self->fd);
	for (i = 0; i < 64; i++) {
		files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, files[i]);
	}
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(0, self->row.refs);
	EXPECT_EQ(-1, self->row.flags);
	for (i = 0; i < 64; i++)
		close(files[i]);
	close(held);
}

/* bufinfo shows open buffers only, as it always did */
TEST_EXPORTER(lifetime, bufinfo_of_open_ones)
{
	struct text text;
	char *fields[7];
	int held;

	if (access(BUFINFO, F_OK))
		SKIP(return, "no bufinfo here");
	ASSERT_TRUE(bufinfo_row(self->ino, fields, &text));
	text_free(&text);
	held = open_path_only(self->fd);
	ASSERT_LE(0, held);
	close(self->fd);
	EXPECT_FALSE(bufinfo_row(self->ino, fields, &text));
	EXPECT_TRUE(exact(1, 8 * PAGE));
	close(held);
}

/* Many at once, among open ones */
TEST_EXPORTER_TIMEOUT(lifetime, many_closed_but_held, 180)
{
	int fds[200], held[200];
	int i;

	for (i = 0; i < 200; i++) {
		fds[i] = buffer_new(variant->exporter, PAGE);
		ASSERT_LE(0, fds[i]);
		held[i] = open_path_only(fds[i]);
		ASSERT_LE(0, held[i]);
	}
	for (i = 0; i < 200; i += 2)
		close(fds[i]);
	EXPECT_TRUE(exact(201, 208 * PAGE));
	for (i = 0; i < 200; i++)
		close(held[i]);
	EXPECT_TRUE(exact(101, 108 * PAGE));
	for (i = 1; i < 200; i += 2)
		close(fds[i]);
	EXPECT_TRUE(exact(1, 8 * PAGE));
}

/* A mapping is a reference to the file */
TEST_EXPORTER(lifetime, mapped_only)
{
	void *map;

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(self->fd);
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(1, self->row.refs);
	EXPECT_TRUE(exact(1, 8 * PAGE));
	munmap(map, PAGE);
	EXPECT_TRUE(exact(0, 0));
}

TEST_EXPORTER(lifetime, imported_only)
{
	unsigned int handle;
	int drm;

	drm = drm_open("vkms");
	if (drm < 0)
		SKIP(return, "no vkms to import into");
	ASSERT_EQ(0, drm_import(drm, self->fd, &handle));
	close(self->fd);
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(1, self->row.attached);
	EXPECT_LT(0, self->row.refs);
	EXPECT_TRUE(exact(1, 8 * PAGE));
	close(drm);
	EXPECT_TRUE(exact(0, 0));
}

/* A fence that this test signals; its interface has no header in uapi */
#define SW_SYNC "/sys/kernel/debug/sync/sw_sync"

struct sw_fence {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE	_IOWR('W', 0, struct sw_fence)
#define SW_SYNC_IOC_INC			_IOW('W', 1, __u32)

/* Makes those who access the buffer wait for the NR-th step of the timeline */
static bool fence_add(int timeline, int nr, int fd, int flags)
{
	struct dma_buf_import_sync_file import = { .flags = flags };
	struct sw_fence fence = { .value = nr };
	bool good;

	if (ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &fence))
		return false;
	import.fd = fence.fence;
	good = !ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import);
	close(fence.fence);
	return good;
}

/* What can be done with the buffer within MS */
static int polled(int fd, int events, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return poll(&pollfd, 1, ms) < 0 ? -1 : pollfd.revents;
}

/* Until a fence is signalled a poller waits, and what it polls exists */
TEST_EXPORTER_TIMEOUT(lifetime, polled, 60)
{
	__u32 one = 1;
	int timeline, i;
	pid_t pid;

	timeline = mount_debugfs() ? open(SW_SYNC, O_RDWR) : -1;
	if (timeline < 0)
		SKIP(return, "no fences to wait for");
	EXPECT_EQ(POLLIN | POLLOUT, polled(self->fd, POLLIN | POLLOUT, 0));

	/* Readers do not wait for each other */
	if (!fence_add(timeline, 1, self->fd, DMA_BUF_SYNC_READ))
		SKIP(return, "fences cannot be added");
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(POLLIN, polled(self->fd, POLLIN | POLLOUT, 0));
		EXPECT_EQ(0, polled(self->fd, POLLOUT, 10));
	}
	EXPECT_EQ(0, ioctl(timeline, SW_SYNC_IOC_INC, &one));
	EXPECT_EQ(POLLIN | POLLOUT, polled(self->fd, POLLIN | POLLOUT, 0));

	/* All wait for a writer, until they are woken */
	for (i = 2; i < 4; i++) {
		int events = i == 2 ? POLLIN : POLLOUT;

		ASSERT_TRUE(fence_add(timeline, i, self->fd,
				      DMA_BUF_SYNC_WRITE));
		EXPECT_EQ(0, polled(self->fd, POLLIN | POLLOUT, 0));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			usleep(100000);
			_exit(!!ioctl(timeline, SW_SYNC_IOC_INC, &one));
		}
		EXPECT_EQ(events, polled(self->fd, events, 20000));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(POLLIN | POLLOUT,
			  polled(self->fd, POLLIN | POLLOUT, 0));
	}

	/* A fence that somebody waits for holds the buffer */
	ASSERT_TRUE(fence_add(timeline, 4, self->fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, polled(self->fd, POLLIN | POLLOUT, 0));
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(3, self->row.refs);
	close(self->fd);
	self->fd = -1;
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(2, self->row.refs);
	EXPECT_TRUE(exact(1, 8 * PAGE));
	EXPECT_EQ(0, ioctl(timeline, SW_SYNC_IOC_INC, &one));
	for (i = 0; i < 1000 && row_find(self->ino, &self->row); i++)
		usleep(10000);
	EXPECT_TRUE(exact(0, 0));
	close(timeline);
}

/* In flight: no process has a descriptor */
TEST_EXPORTER(lifetime, in_flight)
{
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	close(self->fd);
	ASSERT_TRUE(row_find(self->ino, &self->row));
	EXPECT_EQ(1, self->row.refs);
	EXPECT_EQ(getpid(), self->row.pid);
	EXPECT_TRUE(exact(1, 8 * PAGE));

	fd = receive_fd(sock[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->ino, buffer_ino(fd));
	EXPECT_TRUE(exact(1, 8 * PAGE));

	/* Never received */
	ASSERT_EQ(0, send_fd(sock[0], fd));
	close(fd);
	EXPECT_TRUE(exact(1, 8 * PAGE));
	close(sock[0]);
	close(sock[1]);
	EXPECT_TRUE(exact(0, 0));
}

/* Killed at any point, with buffers held in every way */
TEST_EXPORTER_TIMEOUT(lifetime, killed_exporter, 180)
{
	unsigned long long bytes;
	struct counters c;
	struct list list;
	int sync[2], fd, i;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sync));
	pid = fork();
	if (!pid) {
		devices_reopen();
		for (i = 0; i < 100; i++) {
			fd = buffer_new(variant->exporter, PAGE);
			if (fd < 0)
				_exit(1);
			if (i % 3 == 0) {
				open_path_only(fd);
				close(fd);
			} else if (i % 3 == 1) {
				mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
			}
		}
		send(sync[1], "", 1, 0);
		while (1)
			close(buffer_new(variant->exporter, PAGE));
	}
	close(sync[1]);
	ASSERT_EQ(1, recv(sync[0], &byte, 1, 0));
	ASSERT_TRUE(list_read(&list));
	EXPECT_LE(100, list_of(&list, pid, &bytes));
	list_free(&list);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_TRUE(snapshot(&c, &list));
	EXPECT_EQ(0, list_of(&list, pid, &bytes));
	EXPECT_EQ(1, list_of(&list, getpid(), &bytes));
	EXPECT_EQ(list.nr, c.nr_buffers);
	EXPECT_EQ(list.bytes, c.bytes);
	list_free(&list);
}

/* A reader between two reads keeps nothing alive */
TEST_EXPORTER_TIMEOUT(lifetime, paused_reader, 180)
{
	static const size_t parts[] = { 1, 70, 500, 5000, 9000 };
	static const char * const paths[] = { LIST_PROC, LIST_DEBUG };
	int fds[300], held[300];
	struct list list;
	size_t i, j;
	int reader;

	for (i = 0; i < ARRAY_LEN(parts) * ARRAY_LEN(paths); i++) {
		struct text text = { 0 };
		ssize_t got = 1;

		if (access(paths[i % 2], F_OK))
			continue;
		for (j = 0; j < 300; j++) {
			fds[j] = buffer_new(variant->exporter, PAGE);
			ASSERT_LE(0, fds[j]);
			held[j] = j % 7 ? -1 : open_path_only(fds[j]);
		}
		reader = open(paths[i % 2], O_RDONLY);
		ASSERT_LE(0, reader);
		while (got > 0 && text.len < parts[i / 2])
			got = text_append(reader, parts[i / 2] - text.len,
					  &text);
		ASSERT_LT(0, got);

		for (j = 0; j < 300; j++) {
			close(fds[j]);
			if (held[j] >= 0)
				close(held[j]);
		}
		EXPECT_TRUE(exact(1, 8 * PAGE));

		/* The rest that it reads still completes the listing */
		ASSERT_TRUE(text_rest(reader, 100, &text));
		EXPECT_TRUE(list_parse(&text, &list));
		list_free(&list);
		text_free(&text);
		close(reader);
	}
}

/* Repeated many times, nothing is left behind */
TEST_EXPORTER_TIMEOUT(lifetime, nothing_adds_up, 180)
{
	int i, fd, held;

	for (i = 0; i < 1000; i++) {
		fd = buffer_new(variant->exporter, PAGE);
		ASSERT_LE(0, fd);
		held = i % 5 ? -1 : open_path_only(fd);
		close(fd);
		if (held >= 0)
			close(held);
	}
	EXPECT_TRUE(exact(1, 8 * PAGE));
}

/* No descriptor left: the buffer was created, and is released again */
TEST_EXPORTER(lifetime, export_without_descriptor)
{
	struct rlimit limit, none;
	unsigned int handle = 0;
	int i, fd, drm = -1;

	if (variant->exporter == VGEM) {
		drm = drm_open("vgem");
		ASSERT_LE(0, drm);
		ASSERT_EQ(0, drm_create(drm, PAGE, &handle));
	}
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	/* udmabuf needs one for the memfd */
	fd = dup(0);
	ASSERT_LE(0, fd);
	none.rlim_cur = fd + (variant->exporter == UDMABUF);
	close(fd);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	for (i = 0; i < 50; i++) {
		if (variant->exporter == VGEM)
			fd = drm_export(drm, handle);
		else
			fd = buffer_new(variant->exporter, PAGE);
		if (fd >= 0 || errno != EMFILE)
			break;
	}
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(50, i);
	/* Until then DRM may keep what it exported for the handle */
	if (drm >= 0)
		drm_close_handle(drm, handle);
	EXPECT_TRUE(exact(1, 8 * PAGE));
	close(drm);
}

/* A process uses up all its descriptors */
TEST_EXPORTER_TIMEOUT(lifetime, exports_until_refused, 180)
{
	struct rlimit limit, few;
	int fds[300], nr, err;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = limit;
	few.rlim_cur = ARRAY_LEN(fds);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	for (nr = 0; nr < (int)ARRAY_LEN(fds); nr++) {
		fds[nr] = buffer_new(variant->exporter, PAGE);
		if (fds[nr] < 0)
			break;
	}
	err = errno;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_GT(ARRAY_LEN(fds), nr);
	EXPECT_LT(ARRAY_LEN(fds) / 2, nr);
	EXPECT_EQ(EMFILE, err);
	EXPECT_TRUE(exact(nr + 1, (nr + 8) * PAGE));
	while (nr--)
		close(fds[nr]);
	EXPECT_TRUE(exact(1, 8 * PAGE));
}

TEST_EXPORTER(lifetime, refused_exports)
{
	struct udmabuf_create create = { .size = PAGE };
	int i, memfd, udmabuf, drm;

	switch (variant->exporter) {
	case SYSTEM:
		EXPECT_EQ(-1, buffer_new_flags(0, O_RDWR));
		EXPECT_EQ(-1, buffer_new_flags(PAGE, ~0));
		break;
	case UDMABUF:
		udmabuf = open("/dev/udmabuf", O_RDWR);
		ASSERT_LE(0, udmabuf);
		memfd = memfd_create("refused", MFD_ALLOW_SEALING);
		ASSERT_LE(0, memfd);
		ASSERT_EQ(0, ftruncate(memfd, PAGE));
		create.memfd = memfd;
		/* Not sealed, then not aligned, of no size, not a memfd */
		EXPECT_EQ(-1, ioctl(udmabuf, UDMABUF_CREATE, &create));
		ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
		create.offset = 1;
		EXPECT_EQ(-1, ioctl(udmabuf, UDMABUF_CREATE, &create));
		create.offset = 0;
		create.size = 0;
		EXPECT_EQ(-1, ioctl(udmabuf, UDMABUF_CREATE, &create));
		create.size = PAGE;
		create.memfd = udmabuf;
		EXPECT_EQ(-1, ioctl(udmabuf, UDMABUF_CREATE, &create));
		close(memfd);
		close(udmabuf);
		break;
	default:
		drm = drm_open("vgem");
		ASSERT_LE(0, drm);
		for (i = 0; i < 3; i++)
			EXPECT_EQ(-1, drm_export(drm, i));
		close(drm);
	}
	EXPECT_TRUE(exact(1, 8 * PAGE));
}

TEST_HARNESS_MAIN
